use super::{
    analysis::{Analysis, PathUse},
    error::ExprFault,
    globals::RESERVED,
    path::Segment,
    tokens::Token,
};

/// An operator beside a path that means something else when the value is not of the type one thinks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// Ordered against a number: any text is above any number.
    Ordered,
    /// Equal, or not, to a number: no text ever is.
    Equated,
    /// A factor: a text is repeated.
    Multiplied,
    /// Joined by `~`: the interpreter prints null, too.
    Joined,
}

impl Usage {
    /// The operator beside a path, if it is one of those.
    pub(super) fn of(source: &str, tokens: &[Token], place: &PathUse) -> Option<Self> {
        let token = |at: Option<usize>| at.and_then(|at| tokens.get(at));
        let word = |at: Option<usize>| token(at).map_or("", |token| token.of(source));
        let is_number = |at: Option<usize>| token(at).is_some_and(Token::is_number);
        let (first, end) = (place.tokens.start, place.tokens.end);
        let (before, after) = (word(first.checked_sub(1)), word(Some(end)));
        // Filters, tests and lookups make something else of the value.
        if matches!(after, "|" | "is" | "[" | ".") {
            return None;
        }
        // A star behind a bracket or comma spreads a list into arguments.
        let spreads = before == "*" && matches!(word(first.checked_sub(2)), "(" | ",");
        if (before == "*" && !spreads) || after == "*" {
            return Some(Self::Multiplied);
        }
        let number_after =
            is_number(Some(end + 1)) || (word(Some(end + 1)) == "-" && is_number(Some(end + 2)));
        let number_before = is_number(first.checked_sub(2));
        let compared = |operators: &[&str]| {
            (number_after && operators.contains(&after))
                || (number_before && operators.contains(&before))
        };
        if compared(&["<", ">", "<=", ">="]) {
            return Some(Self::Ordered);
        }
        if compared(&["==", "!="]) {
            return Some(Self::Equated);
        }
        // `~` binds weaker than a product and stronger than a sum.
        const PRODUCT: [&str; 5] = ["*", "/", "//", "%", "**"];
        let joins_left = before == "~" && !PRODUCT.contains(&after);
        let joins_right =
            after == "~" && !PRODUCT.contains(&before) && !matches!(before, "-" | "+");
        (joins_left || joins_right).then_some(Self::Joined)
    }
}

/// Finds a field that is always text where an operator then says the same of every record.
pub(super) fn of_text(
    source: &str,
    analysis: &Analysis,
    is_text: &dyn Fn(&str) -> bool,
) -> Option<ExprFault> {
    let mut texts = analysis.paths.iter().filter(|place| {
        match (place.path.root.as_str(), place.path.segments.as_slice()) {
            ("record", [Segment::Key(field)]) => is_text(field),
            (root, []) => !RESERVED.contains(&root) && is_text(root),
            _ => false,
        }
    });
    texts.find_map(|place| {
        let path = &place.path;
        let (what, cast) = match Usage::of(source, &analysis.tokens, place) {
            Some(Usage::Ordered | Usage::Equated) => ("compared with a number", "float"),
            Some(Usage::Multiplied) => ("multiplied", "float"),
            None if analysis.asks(source, place) => ("taken for true or false", "bool"),
            Some(Usage::Joined) | None => return None,
        };
        let at = analysis.bytes_of(&place.tokens);
        let fault = ExprFault::new(at, format!("`{path}` is text, and here it is {what}"));
        Some(fault.help(format!(
            "give the column a type, or write ({path} | {cast})"
        )))
    })
}
