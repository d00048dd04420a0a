//! The hosts that `NO_PROXY` exempts.

/// Returns whether `NO_PROXY` exempts a host. The value is `*`, or a list of names with optional
/// ports. A name includes all its subdomains.
pub(super) fn is_exempt(no_proxy: &str, host: &str, port: u16) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let mut entries = no_proxy.split([',', ' ']).map(str::trim);
    entries.any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let (name, wanted_port) = match entry.rsplit_once(':') {
            // More than one colon indicates an IPv6 address.
            Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
                (name, digits.parse().ok())
            }
            _ => (entry.as_str(), None),
        };
        if wanted_port.is_some_and(|wanted: u16| wanted != port) {
            return false;
        }
        let name = name.trim_matches(['[', ']']).trim_start_matches('*');
        let bare = name.trim_start_matches('.');
        if bare.is_empty() {
            return entry == "*";
        }
        let below = host.strip_suffix(bare);
        below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::is_exempt;

    #[test]
    fn names_include_their_subdomains() {
        let list = "localhost, .corp.example,*.lan,10.0.0.1,mirror:8080,[::1]";
        for (host, port) in [
            ("localhost", 80),
            ("a.corp.example", 443),
            ("corp.example", 443),
            ("b.lan", 80),
            ("10.0.0.1", 80),
            ("mirror", 8080),
            ("[::1]", 80),
            ("LOCALHOST", 80),
        ] {
            assert!(is_exempt(list, host, port), "{host}");
        }
        for (host, port) in [
            ("notlocalhost", 80),
            ("corp.example.org", 80),
            ("mirror", 80),
            ("110.0.0.1", 80),
        ] {
            assert!(!is_exempt(list, host, port), "{host}");
        }
        assert!(is_exempt("*", "anything", 1));
        assert!(!is_exempt("", "anything", 1));
        assert!(!is_exempt(" , ,", "anything", 1));
    }
}
