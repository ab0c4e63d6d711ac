//! [`Carrier`]: the keys and values by which a span is known in another process.

use std::fmt;

/// Keys and values that travel with a call, such as `traceparent` of the W3C.
///
/// Keys are compared without regard to the case of ASCII letters, as the names of HTTP headers are.
///
/// ```
/// use nanolith::trace::Carrier;
/// let mut carrier = Carrier::new();
/// carrier.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// assert_eq!(carrier.get("Traceparent").map(str::len), Some(55));
/// assert_eq!(carrier.iter().count(), 1);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Carrier(Vec<(String, String)>);

impl Carrier {
    /// Creates a carrier without keys.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets the value of a key. A former value is replaced.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            Some((_, known)) => *known = value,
            None => self.0.push((key, value)),
        }
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }

    /// Returns the keys and values, in the order in which the keys were set first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Carrier {
    /// Collects keys and values. Of two values of one key, the later stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut carrier = Self::new();
        pairs.into_iter().for_each(|(key, value)| carrier.set(key, value));
        carrier
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_value_of_a_key_replaces_the_first() {
        let carrier: Carrier = [("a", "1"), ("b", "2"), ("A", "3")].into_iter().collect();
        assert_eq!(carrier.iter().collect::<Vec<_>>(), [("a", "3"), ("b", "2")]);
        assert_eq!((carrier.get("B"), carrier.get("c")), (Some("2"), None));
    }
}
