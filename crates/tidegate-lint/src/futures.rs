//! Public futures, and whether they say what dropping them loses.

use crate::{
    Source,
    docs::{has_section, is_for_tests, is_hidden},
};
use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
};
use syn::{
    Attribute, GenericArgument, Ident, ImplItem, Item, PathArguments, ReturnType, Signature,
    TraitItem, Type, TypeParamBound, Visibility, punctuated::Punctuated, token::Plus,
};

const HEADING: &str = "# Cancel safety";

/// A public future whose documentation does not say what dropping it loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file it is in.
    pub path: PathBuf,
    /// The line of its name, counted from 1.
    pub line: usize,
    /// The function or the type; of a method, the type before it.
    pub item: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { path, line, item } = self;
        write!(
            f,
            "{}:{line}: `{item}` is a public future without `{HEADING}`",
            path.display()
        )
    }
}

/// The public futures without the section, in the order of `sources`.
///
/// Types that are futures are known across all of the `sources`, so give it those of all crates at once.
pub fn undocumented_futures(sources: &[Source]) -> Vec<Fault> {
    let mut types = FutureTypes::default();
    for source in sources {
        types.learn(&source.items);
    }
    types.retain_public();
    let mut faults = Vec::new();
    for source in sources {
        let mut check = Check {
            types: &types,
            path: &source.path,
            faults: &mut faults,
        };
        check.items(&source.items);
    }
    faults
}

/// Names of types that are futures.
#[derive(Debug, Default)]
struct FutureTypes {
    futures: HashSet<String>,
    public: HashSet<String>,
}

impl FutureTypes {
    fn learn(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Impl(implementation) => {
                    let is_future = implementation
                        .trait_
                        .as_ref()
                        .is_some_and(|(path, _)| is_future_trait(path));
                    if is_future && let Some(name) = last_name(&implementation.self_ty) {
                        self.futures.insert(name.to_string());
                    }
                }
                Item::Struct(item) => self.named(&item.vis, &item.ident),
                Item::Enum(item) => self.named(&item.vis, &item.ident),
                Item::Type(item) => {
                    self.named(&item.vis, &item.ident);
                    if self.is_future(&item.ty, None) {
                        self.futures.insert(item.ident.to_string());
                    }
                }
                Item::Mod(module) if !is_for_tests(&module.attrs) => {
                    let inner = module.content.as_ref().map(|(_, items)| items);
                    self.learn(inner.map_or(&[], Vec::as_slice));
                }
                Item::Macro(call) => self.learn(&written(call)),
                _ => {}
            }
        }
    }

    fn named(&mut self, visibility: &Visibility, name: &Ident) {
        if is_public(visibility) {
            self.public.insert(name.to_string());
        }
    }

    fn retain_public(&mut self) {
        self.futures.retain(|name| self.public.contains(name));
    }

    /// `of`: what `Self` means here.
    fn is_future(&self, of: &Type, this: Option<&Type>) -> bool {
        match of {
            Type::ImplTrait(bounded) => bounds_future(&bounded.bounds),
            Type::TraitObject(bounded) => bounds_future(&bounded.bounds),
            Type::Paren(inner) => self.is_future(&inner.elem, this),
            Type::Path(path) => {
                let Some(last) = path.path.segments.last() else {
                    return false;
                };
                match (last.ident.to_string().as_str(), this) {
                    ("Self", Some(this)) => self.is_future(this, None),
                    ("Pin" | "Box", _) => match &last.arguments {
                        PathArguments::AngleBracketed(inner) => inner.args.iter().any(|inner| {
                            matches!(inner, GenericArgument::Type(inner) if self.is_future(inner, this))
                        }),
                        _ => false,
                    },
                    (name, _) => self.futures.contains(name),
                }
            }
            _ => false,
        }
    }
}

struct Check<'s> {
    types: &'s FutureTypes,
    path: &'s Path,
    faults: &'s mut Vec<Fault>,
}

impl Check<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(function) if is_public(&function.vis) => {
                    self.function(&function.attrs, &function.sig, None);
                }
                Item::Struct(item) if is_public(&item.vis) => self.named(&item.attrs, &item.ident),
                Item::Enum(item) if is_public(&item.vis) => self.named(&item.attrs, &item.ident),
                Item::Trait(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                    for function in &item.items {
                        if let TraitItem::Fn(function) = function {
                            let this = Owner::Trait(&item.ident);
                            self.function(&function.attrs, &function.sig, Some(this));
                        }
                    }
                }
                Item::Impl(item) if item.trait_.is_none() => {
                    for function in &item.items {
                        if let ImplItem::Fn(function) = function
                            && is_public(&function.vis)
                        {
                            let this = Owner::Type(&item.self_ty);
                            self.function(&function.attrs, &function.sig, Some(this));
                        }
                    }
                }
                Item::Mod(module) if !is_for_tests(&module.attrs) => {
                    let inner = module.content.as_ref().map(|(_, items)| items);
                    self.items(inner.map_or(&[], Vec::as_slice));
                }
                Item::Macro(call) => self.items(&written(call)),
                _ => {}
            }
        }
    }

    fn named(&mut self, attributes: &[Attribute], name: &Ident) {
        if self.types.futures.contains(&name.to_string()) {
            self.ask(attributes, name, name.to_string());
        }
    }

    fn function(&mut self, attributes: &[Attribute], function: &Signature, of: Option<Owner<'_>>) {
        let this = match of {
            Some(Owner::Type(this)) => Some(this),
            Some(Owner::Trait(_)) | None => None,
        };
        let gives_future = match &function.output {
            ReturnType::Type(_, returned) => self.types.is_future(returned, this),
            ReturnType::Default => false,
        };
        if function.asyncness.is_some() || gives_future {
            let owner = match of {
                Some(Owner::Type(this)) => last_name(this),
                Some(Owner::Trait(name)) => Some(name),
                None => None,
            };
            let item = owner.map_or_else(
                || function.ident.to_string(),
                |owner| format!("{owner}::{}", function.ident),
            );
            self.ask(attributes, &function.ident, item);
        }
    }

    fn ask(&mut self, attributes: &[Attribute], name: &Ident, item: String) {
        if !is_hidden(attributes) && !has_section(attributes, HEADING, self.path) {
            self.faults.push(Fault {
                path: self.path.to_path_buf(),
                line: name.span().start().line,
                item,
            });
        }
    }
}

/// Whose function it is.
#[derive(Clone, Copy)]
enum Owner<'s> {
    Type(&'s Type),
    Trait(&'s Ident),
}

/// The items in the call of a macro that changes what it is given only little, as `pin_project!` does.
fn written(call: &syn::ItemMacro) -> Vec<Item> {
    match syn::parse2::<syn::File>(call.mac.tokens.clone()) {
        Ok(file) if call.ident.is_none() => file.items,
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn bounds_future(bounds: &Punctuated<TypeParamBound, Plus>) -> bool {
    bounds
        .iter()
        .any(|bound| matches!(bound, TypeParamBound::Trait(bound) if is_future_trait(&bound.path)))
}

fn is_future_trait(path: &syn::Path) -> bool {
    let last = path.segments.last();
    last.is_some_and(|last| last.ident == "Future" || last.ident == "IntoFuture")
}

fn last_name(of: &Type) -> Option<&Ident> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}
