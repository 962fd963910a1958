use super::{
    analysis::{Analysis, PathUse},
    answer::Answer,
    error::{Cause, EvalError, ExprFault, dashed},
    filters,
    guards::{self, Truth},
    mentions::Mentions,
    path::{Path, describe},
    predicates,
    scope::{Names, Scope},
    usage,
};
use minijinja::{
    Environment, ErrorKind, Expression, UndefinedBehavior,
    value::{Value, ValueKind},
};
use std::{
    fmt,
    sync::{Arc, LazyLock},
};

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    filters::add_to(&mut environment);
    guards::add_to(&mut environment);
    predicates::add_to(&mut environment);
    environment
});

/// A compiled expression: bare Jinja, without braces.
pub struct Expr {
    source: Arc<str>,
    program: Program,
    analysis: Analysis,
    mentions: Mentions,
}

enum Program {
    Constant(Value),
    /// The common case, read straight from the scope.
    Path(Path),
    Interpreted(Expression<'static, 'static>),
}

impl Expr {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// A fault of syntax; a filter, test or function that does not exist; `env` or `steps` by anything but a literal
    /// name; an `if` without `else`; a text or number as an operand of `and`, `or`, `not` or `if`; `url`, which only a
    /// [`Target`](super::Target) may use.
    pub fn compile(source: &str) -> Result<Self, ExprFault> {
        Self::compile_any(source)?.without_url()
    }

    /// Compiles a line of `classify`, for [`eval_answer`](Self::eval_answer): in `and`, `or`, `not` and `if` any value
    /// is true or false there.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile), but for the operands.
    pub fn compile_answer(source: &str) -> Result<Self, ExprFault> {
        Self::compile_with(source, Truth::Loose)?.without_url()
    }

    fn without_url(self) -> Result<Self, ExprFault> {
        if self.is_url() {
            return Err(ExprFault::new(
                0..self.source.len(),
                "`url` stands only in a target, and there alone",
            )
            .help("GET {{ next | url }}"));
        }
        Ok(self)
    }

    /// Compiles an expression that may end in `| url`.
    pub(super) fn compile_any(source: &str) -> Result<Self, ExprFault> {
        Self::compile_with(source, Truth::Strict)
    }

    fn compile_with(source: &str, truth: Truth) -> Result<Self, ExprFault> {
        let analysis = Analysis::of(source)?;
        let mut compiled = interpreted(source)?;
        if truth == Truth::Strict {
            guards::check_operands(source, &analysis)?;
        }
        if let Some(guarded) = guards::guarded(source, &analysis, truth) {
            compiled = interpreted(&guarded)?;
        }
        let program = match analysis.whole_path() {
            Some(path) => Program::Path(path.clone()),
            None if analysis.is_literal(source) => match compiled.eval(()) {
                Ok(value) => Program::Constant(value),
                Err(_) => Program::Interpreted(compiled),
            },
            None => Program::Interpreted(compiled),
        };
        let mentions = analysis.mentions();
        Ok(Self {
            source: Arc::from(source),
            program,
            analysis,
            mentions,
        })
    }

    /// The value for a record.
    ///
    /// # Errors
    ///
    /// A name that is missing, a value that a filter or operator cannot take, or a result that holds anything undefined.
    pub fn eval(&self, scope: &Scope) -> Result<Value, EvalError> {
        self.eval_in(scope)
    }

    fn eval_in(&self, names: &dyn Names) -> Result<Value, EvalError> {
        let result = match &self.program {
            Program::Constant(value) => Ok(value.clone()),
            Program::Path(path) => path
                .resolve(names)
                .map_err(|followed| path.explain(names, followed)),
            Program::Interpreted(expression) => match expression.eval(names.context()) {
                Ok(value) if has_undefined(&value) => Err(self.explain_undefined(names, None)),
                Ok(value) => Ok(value),
                Err(error) => {
                    let message = error
                        .detail()
                        .map_or_else(|| error.to_string(), str::to_owned);
                    // Some operators report what is undefined as a value of the wrong type.
                    let is_missing =
                        error.kind() == ErrorKind::UndefinedError || message.contains("undefined");
                    Err(if is_missing {
                        self.explain_undefined(names, Some(&message))
                    } else {
                        Cause::new(message)
                    })
                }
            },
        };
        result.map_err(|cause| self.error(names, cause))
    }

    /// The value as a decision: a boolean; null is false; a list is true unless it is empty.
    ///
    /// # Errors
    ///
    /// As [`eval`](Self::eval), and for a text, a number or a map: `"false"` is not false.
    pub fn eval_condition(&self, scope: &Scope) -> Result<bool, EvalError> {
        let value = self.eval_in(scope)?;
        match value.kind() {
            ValueKind::Bool | ValueKind::None | ValueKind::Seq | ValueKind::Iterable => {
                Ok(value.is_true())
            }
            _ => {
                let source = &self.source;
                let cause = Cause::new(format!(
                    "`{source}` is {}, which is neither true nor false",
                    describe(&value)
                ));
                let help = match value.kind() {
                    ValueKind::String => format!("compare it: {source} == 'true'"),
                    ValueKind::Number => format!("compare it: {source} > 0"),
                    _ => format!("ask for what you mean: {source} | length > 0"),
                };
                Err(self.error(scope, cause.help(help)))
            }
        }
    }

    /// Whether an answer is what this line of `classify` describes, by `status`, `headers` and `body`.
    ///
    /// Here alone a missing name, or a value of another type than expected, makes the expression false. Any value but
    /// false, null, zero and empty ones counts as true, for an operand of `and`, `or` and `not` if the expression was
    /// made by [`compile_answer`](Self::compile_answer).
    pub fn eval_answer(&self, status: u16, headers: Value, body: Value) -> bool {
        self.eval_in(&Answer::new(status, headers, body))
            .is_ok_and(|value| value.is_true())
    }

    /// What the expression mentions.
    pub fn mentions(&self) -> &Mentions {
        &self.mentions
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A field that is always text where an operator then says the same of every record: compared with a number,
    /// multiplied, or an operand of `and`, `or`, `not` or `if`.
    ///
    /// `is_text` says so of a field by its name, as of a CSV column without a type.
    pub fn compares_text_with_number(&self, is_text: &dyn Fn(&str) -> bool) -> Option<ExprFault> {
        usage::of_text(&self.source, &self.analysis, is_text)
    }

    pub(super) fn is_url(&self) -> bool {
        self.analysis.is_url
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self.program, Program::Constant(_))
    }

    /// An error of this expression, without the values of `env`.
    pub(super) fn error(&self, names: &dyn Names, cause: Cause) -> EvalError {
        let message = names.redact(&cause.message).into_owned();
        let help = cause.help.map(|help| names.redact(&help).into_owned());
        EvalError::of(&self.source, Cause { message, help })
    }

    /// Finds the path that is missing: the interpreter knows only that something is.
    fn explain_undefined(&self, names: &dyn Names, detail: Option<&str>) -> Cause {
        for PathUse {
            path, has_default, ..
        } in &self.analysis.paths
        {
            match path.resolve(names) {
                Err(followed) if *has_default && followed == path.segments.len() => {}
                Err(0) => return self.explain_root(path, names),
                Err(followed) => return path.explain(names, followed),
                Ok(_) => {}
            }
        }
        match detail {
            Some(detail) => Cause::new(detail),
            None => Cause::new(format!(
                "`{}` is undefined: it asks for a key or an index that is not there",
                self.source
            )),
        }
    }

    fn explain_root(&self, path: &Path, names: &dyn Names) -> Cause {
        let cause = path.explain(names, 0);
        let known = names.known();
        match dashed(&self.source, &path.root, known.iter().map(String::as_str)) {
            Some(field) => cause.help(format!("for the field write  record['{field}']")),
            None => cause,
        }
    }
}

fn interpreted(source: &str) -> Result<Expression<'static, 'static>, ExprFault> {
    ENVIRONMENT
        .compile_expression_owned(source.to_owned())
        .map_err(|error| {
            let message = error.detail().unwrap_or("this is no expression").to_owned();
            ExprFault::new(0..source.len(), message)
        })
}

/// Whether anything in the value is undefined.
fn has_undefined(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::Invalid => true,
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()
            .is_ok_and(|mut items| items.any(|item| has_undefined(&item))),
        ValueKind::Map => value.try_iter().is_ok_and(|mut keys| {
            keys.any(|key| {
                value
                    .get_item(&key)
                    .map_or(true, |item| has_undefined(&item))
            })
        }),
        _ => false,
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.source).finish()
    }
}
