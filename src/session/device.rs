//! How the device code of an attempt is written.

use std::time::Duration;

use super::codec;
use crate::{clock::UnixTime, sign_in::DeviceCode};

const DEVICE_CODE: u8 = 1;
const USER_CODE: u8 = 2;
const VERIFICATION_URI: u8 = 3;
const COMPLETE: u8 = 4;
/// The same if it begins with the address itself: what follows.
const COMPLETE_AFTER: u8 = 5;
const EXPIRES_AT: u8 = 6;
const INTERVAL: u8 = 7;
const NEXT: u8 = 8;
const CLAIMS: u8 = 9;

impl DeviceCode {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = codec::Writer::with_capacity(512);
        fields.text(DEVICE_CODE, Some(self.device_code.expose()));
        fields.text(USER_CODE, Some(&self.user_code));
        fields.text(VERIFICATION_URI, Some(&self.verification_uri));
        if let Some(complete) = &self.verification_uri_complete {
            match complete.strip_prefix(&self.verification_uri) {
                Some(rest) => fields.text(COMPLETE_AFTER, Some(rest)),
                None => fields.text(COMPLETE, Some(complete)),
            }
        }
        fields.number(EXPIRES_AT, self.expires_at.as_seconds());
        fields.number(INTERVAL, i64::try_from(self.interval.as_secs()).unwrap_or(i64::MAX));
        fields.number(NEXT, self.next.as_seconds());
        fields.text(CLAIMS, self.claims.as_deref());
        fields.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut device_code, mut user_code, mut verification_uri) = (None, None, None);
        let (mut complete, mut after, mut claims) = (None, None, None);
        let (mut expires_at, mut interval, mut next) = (None, None, None);
        let time = |value| codec::number(value).ok().map(UnixTime::from_seconds);
        let mut fields = codec::Reader::new(bytes);
        while let Some((tag, value)) = fields.next().ok()? {
            match tag {
                DEVICE_CODE => device_code = Some(codec::text(value).ok()?),
                USER_CODE => user_code = Some(codec::text(value).ok()?.to_owned()),
                VERIFICATION_URI => verification_uri = Some(codec::text(value).ok()?.to_owned()),
                COMPLETE => complete = Some(codec::text(value).ok()?.to_owned()),
                COMPLETE_AFTER => after = Some(codec::text(value).ok()?),
                EXPIRES_AT => expires_at = Some(time(value)?),
                INTERVAL => {
                    interval =
                        Some(Duration::from_secs(codec::number(value).ok()?.try_into().ok()?))
                }
                NEXT => next = Some(time(value)?),
                CLAIMS => claims = Some(codec::text(value).ok()?.to_owned()),
                _ => {}
            }
        }
        let verification_uri = verification_uri?;
        Some(Self {
            device_code: device_code?.into(),
            user_code: user_code?,
            verification_uri_complete: complete
                .or_else(|| after.map(|after| format!("{verification_uri}{after}"))),
            verification_uri,
            claims,
            expires_at: expires_at?,
            interval: interval?,
            next: next?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(complete: Option<&str>) -> DeviceCode {
        DeviceCode {
            device_code: "d3v1c3".into(),
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://id.example/device".into(),
            verification_uri_complete: complete.map(Into::into),
            claims: Some("{}".into()),
            expires_at: UnixTime::from_seconds(1_700_000_900),
            interval: Duration::from_secs(5),
            next: UnixTime::from_seconds(1_700_000_005),
        }
    }

    #[test]
    fn what_is_written_is_read_and_the_address_is_written_once() {
        let after = Some("https://id.example/device?user_code=WDJB-MJHT");
        for complete in [
            None,
            after,
            Some("https://other.example/d?c=WDJB-MJHT"),
            Some("https://id.example/device"),
        ] {
            assert!(
                DeviceCode::decode(&code(complete).encode()) == Some(code(complete)),
                "{complete:?}"
            );
        }
        assert_eq!(
            code(after).encode().len(),
            code(None).encode().len() + 2 + "?user_code=WDJB-MJHT".len()
        );
    }

    /// C-363
    #[test]
    fn no_code_is_printed() {
        let printed = format!("{:?}", code(None));
        assert!(!printed.contains("d3v1c3") && !printed.contains("WDJB"), "{printed}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_device_code_or_none(bytes: Vec<u8>) {
            let _ = DeviceCode::decode(&bytes);
        }
    }
}
