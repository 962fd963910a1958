use super::{
    error::ExprFault,
    globals::RESERVED,
    mentions::Mentions,
    operands,
    path::{Path, Segment},
    tokens::{Kind, Token, tokens},
    walk::Walk,
};
use std::ops::Range;

/// What the words of an expression say about it.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) tokens: Vec<Token>,
    pub(super) paths: Vec<PathUse>,
    /// The operands that are asked for true or false.
    pub(super) asked: Vec<Range<usize>>,
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

impl Analysis {
    pub(super) fn of(source: &str) -> Result<Self, ExprFault> {
        let tokens = tokens(source)?;
        if tokens.is_empty() {
            return Err(ExprFault::new(0..source.len(), "an expression is missing"));
        }
        let Walk {
            paths,
            ifs,
            urls,
            words,
            ..
        } = Walk::over(source, &tokens)?;
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
            asked: operands::asked(source, &tokens, &words),
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

    /// The bytes of some tokens.
    pub(super) fn bytes_of(&self, tokens: &Range<usize>) -> Range<usize> {
        self.tokens[tokens.start].at.start..self.tokens[tokens.end - 1].at.end
    }

    /// Whether a path, alone or in brackets, is asked for true or false.
    pub(super) fn asks(&self, source: &str, place: &PathUse) -> bool {
        let all = |tokens: Range<usize>, symbol| {
            let mut tokens = self.tokens[tokens].iter();
            tokens.all(|token| token.of(source) == symbol)
        };
        let Range { start, end } = place.tokens;
        self.asked.iter().any(|operand| {
            operand.start <= start
                && end <= operand.end
                && all(operand.start..start, "(")
                && all(end..operand.end, ")")
        })
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
