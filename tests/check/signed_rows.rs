/// The corpus. Rows of one signing share its keys.
const ROWS: &[Row] = &[
    Row { signing: Signing::Nsec, edits: &[], ours: &[], others: "+++", why: "" },
    Row { signing: Signing::Nsec3, edits: &[], ours: &[], others: "+++", why: "" },
    Row { signing: Signing::OldNsec3, edits: &[], ours: &[], others: "+++", why: "" },
    Row { signing: Signing::OptOut, edits: &[], ours: &[], others: "+++", why: "" },
    Row { signing: Signing::Digest, edits: &[], ours: &[], others: "+++", why: "" },
];
