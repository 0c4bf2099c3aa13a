//! [`OwnOptions`]: the options of one sign-in that its attempt keeps for a repetition.

use url::form_urlencoded;

use crate::{
    codec,
    config::{Prompt, SignInOptions},
};

/// The options of one sign-in, over the configured ones, that the attempt has no member of its own
/// for. With them a sign-in that is repeated asks for no less than the first time.
///
/// A hint can be personal data: it is in the sealed attempt only.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnOptions {
    prompt: Vec<Prompt>,
    login_hint: Option<String>,
    domain_hint: Option<String>,
    claims: Option<String>,
    ui_locales: Vec<String>,
    /// Extra parameters, form-encoded.
    parameters: Option<String>,
}

codec::record!(OwnOptions {
    1 prompt,
    2 login_hint,
    3 domain_hint,
    4 claims,
    5 ui_locales,
    6 parameters,
});

impl codec::Value for Prompt {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

impl OwnOptions {
    /// Those of the options that a request was made of; `None` if there are none, as with most
    /// sign-ins. `keeps_silence`: whether `prompt=none` is kept.
    pub(super) fn of(options: &SignInOptions, keeps_silence: bool) -> Option<Box<Self>> {
        let mut prompt = options.prompt.clone();
        // The request left it out, because a silent one was refused before.
        prompt.retain(|prompt| keeps_silence || *prompt != Prompt::None);
        let parameters = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&options.parameters)
            .finish();
        let own = Self {
            prompt,
            login_hint: options.login_hint.clone(),
            domain_hint: options.domain_hint.clone(),
            claims: options.claims.clone(),
            ui_locales: options.ui_locales.clone(),
            parameters: (!parameters.is_empty()).then_some(parameters),
        };
        (own != Self::default()).then(|| Box::new(own))
    }

    /// Sets the options of a repetition.
    pub(super) fn add_to(&self, options: &mut SignInOptions) {
        let parameters = self.parameters.as_deref().unwrap_or_default();
        options.prompt.clone_from(&self.prompt);
        options.login_hint.clone_from(&self.login_hint);
        options.domain_hint.clone_from(&self.domain_hint);
        options.claims.clone_from(&self.claims);
        options.ui_locales.clone_from(&self.ui_locales);
        options.parameters = form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Value as _, encode};

    #[test]
    fn options_come_back_as_they_were_and_a_damaged_record_does_not() {
        let options = SignInOptions::new()
            .with_prompt(Prompt::SelectAccount)
            .with_login_hint("ada@example.com")
            .with_domain_hint("example.com")
            .with_claims("{\"id_token\":{}}")
            .with_ui_locales(["de", "fr-CH"])
            .add_parameter("a b", "c&d=é")
            .add_parameter("empty", "");
        let own = OwnOptions::of(&options, false).unwrap();
        let bytes = encode(&own);
        let read = OwnOptions::read(&bytes).unwrap();
        assert!(read == *own);
        let mut repeated = SignInOptions::new();
        read.add_to(&mut repeated);
        assert_eq!(repeated, options);

        assert!(OwnOptions::of(&SignInOptions::new().with_scopes(["a"]), true).is_none());
        assert!(OwnOptions::read(&[1, 4, b'n', b'o', b'p', b'e']).is_none(), "no such prompt");
        assert!(OwnOptions::read(&[2, 1, 0xff]).is_none());
    }
}
