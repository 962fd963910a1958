//! The flow file from outside: what loads, what it becomes, and what is said when it does not load.

mod damage;
mod defaults;
mod expressions;
mod faults;
mod inputs;
mod meaning;
mod order;
mod scalars;
mod schema;
mod support;
mod warnings;
