//! How an attempt is written: in a cookie of the browser, or in a [`WebSession`](super::WebSession).

use zeroize::Zeroizing;

use super::codec;
use crate::{
    clock::UnixTime,
    secret::fingerprint,
    sign_in::{Attempt, AttemptPurpose, Cause, DeviceCode, PersonKey, RecordId},
};

const PURPOSE: u8 = 1;
const SILENT: u8 = 2;
const RETRY: u8 = 3;
const CREATED: u8 = 4;
const RETURN_PATH: u8 = 5;
const SCOPES: u8 = 6;
const POLICY: u8 = 7;
const MAX_AGE: u8 = 8;
const ACR: u8 = 9;
const CAUSE: u8 = 10;
const STARTED_FROM: u8 = 11;
const EXPECTED: u8 = 12;
const EXPECTED_OBJECT: u8 = 13;
const SEED: u8 = 14;
const LOST: u8 = 15;
const AUTH_CONTEXT: u8 = 16;
const RESETS: u8 = 17;
const DEVICE: u8 = 18;

impl Attempt {
    /// Names this attempt and no other.
    pub(super) fn id(&self) -> [u8; 16] {
        fingerprint("attempt id", [&self.seed[..]])
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut fields = codec::Writer::with_capacity(256);
        fields.number(
            PURPOSE,
            match self.purpose {
                AttemptPurpose::SignIn => 0,
                AttemptPurpose::Consent => 1,
                AttemptPurpose::StepUp => 2,
                AttemptPurpose::Recovery => 3,
                AttemptPurpose::EditProfile => 4,
                AttemptPurpose::ResetPassword => 5,
                AttemptPurpose::ReadAgain => 6,
            },
        );
        if self.silent {
            fields.bytes(SILENT, &[]);
        }
        fields.number(RETRY, self.retry.into());
        fields.number(CREATED, self.created.as_seconds());
        fields.text(RETURN_PATH, Some(&self.return_path));
        fields.text(SCOPES, self.scopes.as_deref());
        fields.text(POLICY, self.policy.as_deref());
        if let Some(seconds) = self.max_age {
            fields.number(MAX_AGE, seconds.into());
        }
        fields.text(ACR, self.acr.as_deref());
        fields.text(AUTH_CONTEXT, self.auth_context.as_deref());
        for cause in &self.causes {
            fields.bytes(CAUSE, &cause.0);
        }
        if let Some(id) = &self.started_from {
            fields.bytes(STARTED_FROM, &id.bytes());
        }
        if let Some(person) = &self.expected {
            fields.bytes(EXPECTED, &person.subject);
            if let Some(object) = &person.object {
                fields.bytes(EXPECTED_OBJECT, object);
            }
        }
        if self.lost > 0 {
            fields.number(LOST, self.lost.into());
        }
        if self.resets > 0 {
            fields.number(RESETS, self.resets.into());
        }
        if let Some(device) = &self.device {
            fields.bytes(DEVICE, &device.encode());
        }
        fields.bytes(SEED, &self.seed[..]);
        fields.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut purpose, mut created, mut seed, mut return_path) = (None, None, None, None);
        let (mut silent, mut retry, mut scopes, mut policy, mut max_age, mut acr) =
            (false, 0, None, None, None, None);
        let (mut started_from, mut subject, mut object, mut lost) = (None, None, None, 0);
        let (mut auth_context, mut causes, mut resets, mut device) = (None, Vec::new(), 0, None);
        let mut fields = codec::Reader::new(bytes);
        while let Some((tag, value)) = fields.next().ok()? {
            match tag {
                PURPOSE => {
                    purpose = Some(match codec::number(value).ok()? {
                        0 => AttemptPurpose::SignIn,
                        1 => AttemptPurpose::Consent,
                        2 => AttemptPurpose::StepUp,
                        3 => AttemptPurpose::Recovery,
                        4 => AttemptPurpose::EditProfile,
                        5 => AttemptPurpose::ResetPassword,
                        6 => AttemptPurpose::ReadAgain,
                        _ => return None,
                    });
                }
                SILENT => silent = true,
                RETRY => retry = codec::number(value).ok()?.try_into().ok()?,
                CREATED => created = Some(UnixTime::from_seconds(codec::number(value).ok()?)),
                RETURN_PATH => return_path = Some(codec::text(value).ok()?.to_owned()),
                SCOPES => scopes = Some(codec::text(value).ok()?.to_owned()),
                POLICY => policy = Some(codec::text(value).ok()?.to_owned()),
                MAX_AGE => max_age = Some(codec::number(value).ok()?.try_into().ok()?),
                ACR => acr = Some(codec::text(value).ok()?.to_owned()),
                AUTH_CONTEXT => auth_context = Some(codec::text(value).ok()?.to_owned()),
                CAUSE => causes.push(Cause(codec::array(value).ok()?)),
                STARTED_FROM => {
                    started_from = Some(RecordId::from_bytes(codec::array(value).ok()?))
                }
                EXPECTED => subject = Some(codec::array(value).ok()?),
                EXPECTED_OBJECT => object = Some(codec::array(value).ok()?),
                LOST => lost = codec::number(value).ok()?.try_into().ok()?,
                RESETS => resets = codec::number(value).ok()?.try_into().ok()?,
                DEVICE => device = Some(Box::new(DeviceCode::decode(value)?)),
                SEED => seed = Some(Zeroizing::new(codec::array(value).ok()?)),
                _ => {}
            }
        }
        Some(Self {
            purpose: purpose?,
            silent,
            retry,
            created: created?,
            return_path: return_path?,
            scopes,
            policy,
            max_age,
            acr,
            auth_context,
            causes,
            started_from,
            expected: subject.map(|subject| PersonKey { subject, object }),
            lost,
            resets,
            device,
            seed: seed?,
        })
    }
}
