use super::{
    error::{ExprFault, near},
    filters,
    mentions::Mentions,
    path::{Path, Segment},
    predicates,
    scope::RESERVED,
    tokens::{Kind, Token, tokens},
};
use std::ops::Range;

/// What the words of an expression say about it.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) tokens: Vec<Token>,
    pub(super) paths: Vec<PathUse>,
    /// `| url` stands at the end: the value is a whole URL.
    pub(super) is_url: bool,
}

/// A path where it stands.
#[derive(Debug)]
pub(super) struct PathUse {
    pub(super) path: Path,
    /// Its tokens.
    pub(super) tokens: Range<usize>,
    /// `| default(…)` follows, so its last segment may be missing.
    pub(super) has_default: bool,
}

const CONSTANTS: [&str; 6] = ["true", "false", "none", "True", "False", "None"];

impl Analysis {
    pub(super) fn of(source: &str) -> Result<Self, ExprFault> {
        let tokens = tokens(source)?;
        if tokens.is_empty() {
            return Err(ExprFault::new(0..source.len(), "an expression is missing"));
        }
        let mut walk = Walk {
            source,
            tokens: &tokens,
            at: 0,
            paths: Vec::new(),
            ifs: Vec::new(),
            urls: Vec::new(),
        };
        walk.run()?;
        let Walk {
            paths, ifs, urls, ..
        } = walk;
        if let Some(&lonely) = ifs.first() {
            return Err(
                ExprFault::new(tokens[lonely].at.clone(), "this `if` has no `else`")
                    .help("without `else` the value would be undefined: add `else none`"),
            );
        }
        let last = tokens.len() - 1;
        if let Some(&url) = urls.iter().find(|&&at| at != last) {
            return Err(ExprFault::new(
                tokens[url].at.clone(),
                "`url` must be the last filter",
            ));
        }
        Ok(Self {
            is_url: !urls.is_empty(),
            paths,
            tokens,
        })
    }

    /// The path, if the expression is nothing else.
    pub(super) fn whole_path(&self) -> Option<&Path> {
        match self.paths.as_slice() {
            [only] if only.tokens == (0..self.tokens.len()) => Some(&only.path),
            _ => None,
        }
    }

    /// Whether the expression is one literal.
    pub(super) fn is_literal(&self, source: &str) -> bool {
        match self.tokens.as_slice() {
            [one] => one.kind != Kind::Symbol && self.paths.is_empty(),
            [sign, number] => sign.of(source) == "-" && number.is_number(),
            _ => false,
        }
    }

    pub(super) fn mentions(&self) -> Mentions {
        let mut mentions = Mentions::default();
        for PathUse {
            path, has_default, ..
        } in &self.paths
        {
            let root = path.root.as_str();
            if !RESERVED.contains(&root) {
                if root != "null" {
                    mentions.names.insert(path.root.clone());
                }
                continue;
            }
            mentions.reserved.insert(path.root.clone());
            let Some(Segment::Key(key)) = path.segments.first() else {
                continue;
            };
            let set = match root {
                "steps" => &mut mentions.steps,
                "vars" => &mut mentions.vars,
                "record" => &mut mentions.record_fields,
                "env" if *has_default && path.segments.len() == 1 => &mut mentions.env_optional,
                "env" => &mut mentions.env,
                _ => continue,
            };
            set.insert(key.clone());
        }
        mentions
    }
}

/// Goes through the tokens once. At every moment either an operand may begin or an operator; the two differ in what a
/// word means: `in` alone is a field, `x in y` is not.
struct Walk<'a> {
    source: &'a str,
    tokens: &'a [Token],
    at: usize,
    paths: Vec<PathUse>,
    /// Each `if` that has no `else` yet.
    ifs: Vec<usize>,
    urls: Vec<usize>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), ExprFault> {
        let mut operand_next = true;
        while self.at < self.tokens.len() {
            operand_next = if operand_next {
                self.operand()?
            } else {
                self.operator()?
            };
        }
        Ok(())
    }

    /// The token `ahead` of the current one as it is written; empty at the end.
    fn peek(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.of(self.source))
    }

    fn is_word(&self, ahead: usize) -> bool {
        self.tokens
            .get(self.at + ahead)
            .is_some_and(|token| token.kind == Kind::Word)
    }

    fn fault(&self, ahead: usize, message: String) -> ExprFault {
        let at = self
            .tokens
            .get(self.at + ahead)
            .map_or(self.source.len()..self.source.len(), |token| {
                token.at.clone()
            });
        ExprFault::new(at, message)
    }

    /// Takes a token where an operand may begin; says whether one may still begin after it.
    fn operand(&mut self) -> Result<bool, ExprFault> {
        let is_word = self.is_word(0);
        let word = self.peek(0);
        let (taken, operand_next) = match word {
            "not" if is_word => (1, true),
            ")" | "]" | "}" => (1, false),
            _ if is_word && CONSTANTS.contains(&word) => (1, false),
            // The name of an argument: `attribute='total'`.
            _ if is_word && self.peek(1) == "=" => (2, true),
            _ if is_word && self.peek(1) == "(" => {
                if word != "range" {
                    return Err(self
                        .fault(0, format!("no function `{word}`"))
                        .help("there is one function: range(n)"));
                }
                (1, false)
            }
            _ if is_word => {
                self.path()?;
                (0, false)
            }
            _ => (1, self.tokens[self.at].kind == Kind::Symbol),
        };
        self.at += taken;
        Ok(operand_next)
    }

    /// Takes a token where an operator may stand; says whether an operand comes next.
    fn operator(&mut self) -> Result<bool, ExprFault> {
        let (taken, operand_next) = match self.peek(0) {
            "|" => {
                self.filter()?;
                (2, false)
            }
            "is" => return self.predicate(),
            "." => {
                if self.peek(2) == "(" {
                    return Err(self.no_methods(1));
                }
                (2, false)
            }
            "if" => {
                self.ifs.push(self.at);
                (1, true)
            }
            "else" => {
                self.ifs.pop();
                (1, true)
            }
            ")" | "]" | "}" => (1, false),
            // `not in`
            "not" => (2, true),
            _ => (1, true),
        };
        self.at += taken;
        Ok(operand_next)
    }

    fn filter(&mut self) -> Result<(), ExprFault> {
        let name = self.peek(1);
        if !filters::NAMES.contains(&name) {
            let fault = self.fault(1, format!("no filter `{name}`"));
            let close = near(name, filters::NAMES.iter().copied());
            return Err(if close.is_empty() {
                fault.help(format!("filters: {}", filters::NAMES.join(", ")))
            } else {
                fault.help(format!("did you mean `{}`?", close.join("`, `")))
            });
        }
        if name == "url" {
            self.urls.push(self.at + 1);
        }
        Ok(())
    }

    fn predicate(&mut self) -> Result<bool, ExprFault> {
        let name_at = if self.peek(1) == "not" { 2 } else { 1 };
        let name = self.peek(name_at);
        if !predicates::NAMES.contains(&name) {
            let fault = self.fault(name_at, format!("no test `{name}`"));
            return Err(fault.help(format!("tests: {}", predicates::NAMES.join(", "))));
        }
        self.at += name_at + 1;
        // An argument may follow without parentheses: `n is divisibleby 3`.
        const OPERATORS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];
        let next = self.tokens.get(self.at);
        Ok(next.is_some_and(|next| {
            next.kind != Kind::Symbol && !OPERATORS.contains(&next.of(self.source))
        }))
    }

    fn path(&mut self) -> Result<(), ExprFault> {
        let first = self.at;
        let root = self.peek(0).to_owned();
        let mut path = Path {
            root,
            segments: Vec::new(),
        };
        self.at += 1;
        loop {
            let segment = match (
                self.peek(0),
                self.tokens.get(self.at + 1).map(|token| &token.kind),
            ) {
                (".", Some(Kind::Word)) => Some((Segment::Key(self.peek(1).to_owned()), 2)),
                ("[", Some(Kind::Text(Some(key)))) if self.peek(2) == "]" => {
                    Some((Segment::Key(key.clone()), 3))
                }
                ("[", Some(Kind::Integer)) if self.peek(2) == "]" => self
                    .peek(1)
                    .parse()
                    .ok()
                    .map(|index| (Segment::Index(index), 3)),
                _ => None,
            };
            let Some((segment, taken)) = segment else {
                break;
            };
            path.segments.push(segment);
            self.at += taken;
        }
        if self.peek(0) == "(" {
            self.at -= 1;
            return Err(self.no_methods(0));
        }
        self.check_reserved(&path, first)?;
        let has_default = self.peek(0) == "|" && matches!(self.peek(1), "default" | "d");
        self.paths.push(PathUse {
            path,
            tokens: first..self.at,
            has_default,
        });
        Ok(())
    }

    /// `env` and `steps` by literal names only: what an expression needs must be known before it runs.
    fn check_reserved(&self, path: &Path, first: usize) -> Result<(), ExprFault> {
        let at = self.tokens[first].at.clone();
        let is_dotted = self
            .tokens
            .get(first + 1)
            .is_some_and(|token| token.of(self.source) == ".");
        match (path.root.as_str(), path.segments.first()) {
            ("env", Some(Segment::Key(_))) if is_dotted => Ok(()),
            ("env", _) => Err(
                ExprFault::new(at, "`env` can only be read by a literal name")
                    .help("write env.NAME"),
            ),
            ("steps", Some(Segment::Key(_))) => Ok(()),
            ("steps", _) => Err(
                ExprFault::new(at, "`steps` can only be read by a literal name")
                    .help("write steps.NAME"),
            ),
            _ => Ok(()),
        }
    }

    fn no_methods(&self, ahead: usize) -> ExprFault {
        let name = self.peek(ahead);
        let fault = self.fault(
            ahead,
            format!("values have no methods, so there is no `{name}()`"),
        );
        if filters::NAMES.contains(&name) {
            fault.help(format!("write it as a filter: … | {name}"))
        } else {
            fault
        }
    }
}
