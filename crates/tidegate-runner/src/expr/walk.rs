use super::{
    analysis::PathUse,
    error::{ExprFault, near},
    filters,
    path::{Path, Segment},
    predicates,
    tokens::{Kind, Token},
};

/// Words that are values, not names.
const CONSTANTS: [&str; 6] = ["true", "false", "none", "True", "False", "None"];

/// Goes through the tokens once. At every moment either an operand may begin or an operator; the two differ in what a
/// word means: `in` alone is a field, `x in y` is not.
pub(super) struct Walk<'a> {
    source: &'a str,
    tokens: &'a [Token],
    at: usize,
    pub(super) paths: Vec<PathUse>,
    /// Each `if` that has no `else` yet.
    pub(super) ifs: Vec<usize>,
    /// Each `url` behind a `|`.
    pub(super) urls: Vec<usize>,
    /// Each `and`, `or`, `if`, `else`, and `not` before an operand.
    pub(super) words: Vec<usize>,
}

impl<'a> Walk<'a> {
    pub(super) fn over(source: &'a str, tokens: &'a [Token]) -> Result<Self, ExprFault> {
        let mut walk = Self {
            source,
            tokens,
            at: 0,
            paths: Vec::new(),
            ifs: Vec::new(),
            urls: Vec::new(),
            words: Vec::new(),
        };
        let mut operand_next = true;
        while walk.at < tokens.len() {
            operand_next = if operand_next {
                walk.operand()?
            } else {
                walk.operator()?
            };
        }
        Ok(walk)
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
            "not" if is_word => {
                self.words.push(self.at);
                (1, true)
            }
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
                self.words.push(self.at);
                (1, true)
            }
            "else" => {
                self.ifs.pop();
                self.words.push(self.at);
                (1, true)
            }
            "and" | "or" => {
                self.words.push(self.at);
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
