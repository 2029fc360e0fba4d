-- name: end_order_form!
-- Let the Order Form that is in force for a service end.
-- writes: order_forms
UPDATE order_forms SET period = tstzrange(lower(period), :at), end_recorded_at = clock_timestamp()
WHERE account_id = :account_id AND service = :service AND upper_inf(period) AND lower(period) < :at;

-- name: add_order_form^
-- A new Order Form.
-- writes: order_forms
INSERT INTO order_forms (account_id, service, plan, zone, holiday_set, sev1_entitled, objectives, cadence_s, target_uptime, period,
                         recorded_by)
VALUES (:account_id, :service, :plan, :zone, :holiday_set, :sev1_entitled, :objectives, :cadence_s, :target_uptime,
        tstzrange(:begins_at, :ends_at), :recorded_by)
RETURNING *, lower(period) AS begins_at, upper(period) AS ends_at;

-- name: order_form_at^
-- The Order Form of an account and service at an instant.
-- reads: order_forms
SELECT *, lower(period) AS begins_at, upper(period) AS ends_at FROM order_forms
WHERE account_id = :account_id AND service = :service AND period @> :at::timestamptz;

-- name: order_forms_of
-- Every Order Form of an account, oldest first.
-- reads: order_forms
SELECT *, lower(period) AS begins_at, upper(period) AS ends_at FROM order_forms
WHERE account_id = :account_id ORDER BY service, lower(period);

-- name: order_form^
-- One Order Form by its number.
-- reads: order_forms
SELECT *, lower(period) AS begins_at, upper(period) AS ends_at FROM order_forms WHERE order_form_id = :order_form_id;

-- name: targets_at
-- The target of availability of each account at an instant, by what was recorded at another one (NULL: by now).
-- reads: order_forms
SELECT account_id, target_uptime FROM order_forms
WHERE service = :service AND lower(period) <= :at
  AND (upper_inf(period) OR upper(period) > :at OR end_recorded_at > :known_at::timestamptz)
  AND (:known_at::timestamptz IS NULL OR recorded_at <= :known_at);

-- name: end_tam!
-- Let whoever is an account's TAM be it no more.
-- writes: tam_assignments
UPDATE tam_assignments SET period = tstzrange(lower(period), :at), end_recorded_at = clock_timestamp()
WHERE account_id = :account_id AND upper_inf(period) AND lower(period) < :at;

-- name: assign_tam!
-- Make somebody an account's TAM from an instant on.
-- writes: tam_assignments
INSERT INTO tam_assignments (account_id, person_id, period, recorded_by)
VALUES (:account_id, :person_id, tstzrange(:begins_at, NULL), :recorded_by);

-- name: tam_at^
-- An account's TAM at an instant, and who stands in. Who has left is neither.
-- reads: tam_assignments, covers, staff
SELECT t.person_id, c.delegate_id, c.reason
FROM tam_assignments t JOIN staff p ON p.person_id = t.person_id AND (p.left_at IS NULL OR p.left_at > :at)
LEFT JOIN (covers c JOIN staff d ON d.person_id = c.delegate_id AND (d.left_at IS NULL OR d.left_at > :at))
       ON c.person_id = t.person_id AND c.period @> :at::timestamptz
WHERE t.account_id = :account_id AND t.period @> :at::timestamptz;

-- name: tams_at
-- The TAMs of some accounts at an instant, and who stands in for each. Who has left is neither.
-- reads: tam_assignments, covers, staff
SELECT t.account_id, t.person_id, c.delegate_id, c.reason
FROM tam_assignments t JOIN staff p ON p.person_id = t.person_id AND (p.left_at IS NULL OR p.left_at > :at)
LEFT JOIN (covers c JOIN staff d ON d.person_id = c.delegate_id AND (d.left_at IS NULL OR d.left_at > :at))
       ON c.person_id = t.person_id AND c.period @> :at::timestamptz
WHERE t.account_id = ANY(:account_ids::integer[]) AND t.period @> :at::timestamptz;

-- name: accounts_of_tam
-- The accounts that somebody is TAM of, or stands in for, at an instant.
-- reads: tam_assignments, covers
SELECT t.account_id FROM tam_assignments t
WHERE t.period @> :at::timestamptz AND (t.person_id = :person_id OR EXISTS (
    SELECT FROM covers c WHERE c.person_id = t.person_id AND c.delegate_id = :person_id AND c.period @> :at::timestamptz))
ORDER BY t.account_id;

-- name: held_by
-- The accounts that somebody is TAM of at an instant (NULL: now), by an assignment that has begun.
-- reads: tam_assignments, accounts
SELECT a.account_id, a.name FROM tam_assignments t JOIN accounts a USING (account_id)
WHERE t.person_id = :person_id AND t.period @> coalesce(:at::timestamptz, now()) ORDER BY a.name;

-- name: unassign_ahead
-- Assignments of somebody that have not begun never were.
-- writes: tam_assignments
DELETE FROM tam_assignments WHERE person_id = :person_id AND lower(period) > coalesce(:at::timestamptz, now())
RETURNING account_id, lower(period) AS begins_at, upper(period) AS ends_at;

-- name: stay_tam!
-- Let whoever should have been followed by somebody else go on.
-- writes: tam_assignments
UPDATE tam_assignments SET period = tstzrange(lower(period), :ends_at),
       end_recorded_at = CASE WHEN :ends_at::timestamptz IS NULL THEN NULL ELSE end_recorded_at END
WHERE account_id = :account_id AND upper(period) = :begins_at;

-- name: person_to_assign^
-- A member of the staff, who does not leave while he is made TAM.
-- reads: staff
SELECT roles, left_at FROM staff WHERE person_id = :person_id FOR SHARE;

-- name: end_covers_by
-- Let nobody stand in any more who leaves; covers of his that have not begun never were.
-- writes: covers
WITH gone AS (
    DELETE FROM covers WHERE delegate_id = :person_id AND lower(period) >= :at RETURNING cover_id, person_id
), ended AS (
    UPDATE covers SET period = tstzrange(lower(period), :at)
    WHERE delegate_id = :person_id AND lower(period) < :at AND upper(period) > :at RETURNING cover_id, person_id
)
SELECT * FROM gone UNION ALL SELECT * FROM ended;

-- name: add_cover$
-- Let somebody stand in for a TAM; returns its number.
-- writes: covers
INSERT INTO covers (person_id, delegate_id, period, reason, recorded_by)
VALUES (:person_id, :delegate_id, tstzrange(:begins_at, :ends_at), :reason, :recorded_by)
RETURNING cover_id;

-- name: tams_of
-- Everybody who was, is or will be an account's TAM, oldest first. Nobody is it once he has left.
-- reads: tam_assignments, staff
SELECT s.*, lower(t.period) AS begins_at, least(upper(t.period), s.left_at) AS ends_at, t.recorded_at, t.recorded_by,
       t.end_recorded_at
FROM tam_assignments t JOIN staff s USING (person_id)
WHERE t.account_id = :account_id AND (s.left_at IS NULL OR s.left_at > lower(t.period)) ORDER BY lower(t.period);

-- name: covers_of
-- Who stood, stands or will stand in for somebody, oldest first.
-- reads: covers
SELECT cover_id, person_id, delegate_id, lower(period) AS begins_at, upper(period) AS ends_at, reason, recorded_at, recorded_by
FROM covers WHERE person_id = :person_id ORDER BY lower(period);

-- name: end_cover$
-- Let a cover end now; one that has not begun never was.
-- writes: covers
WITH gone AS (
    DELETE FROM covers WHERE cover_id = :cover_id AND person_id = :person_id AND lower(period) >= :now RETURNING cover_id
), ended AS (
    UPDATE covers SET period = tstzrange(lower(period), :now)
    WHERE cover_id = :cover_id AND person_id = :person_id AND lower(period) < :now AND upper(period) > :now
    RETURNING cover_id
)
SELECT cover_id FROM gone UNION ALL SELECT cover_id FROM ended;

-- name: note!
-- Add a row to the audit.
-- writes: audit
INSERT INTO audit (actor, action, account_id, subject, detail) VALUES (:actor, :action, :account_id, :subject, :detail);

-- name: audit_of
-- What was changed, the latest first. account_id NULL: of all.
-- reads: audit
SELECT audit_id, account_id, at, actor, action, subject, detail FROM audit
WHERE (:account_id::integer IS NULL OR account_id = :account_id) AND (:before::bigint IS NULL OR audit_id < :before)
ORDER BY audit_id DESC LIMIT :limit;

-- name: noted_since^
-- How often something was done to a subject, and to all of an account, since a moment.
-- reads: audit
SELECT count(*) FILTER (WHERE subject = :subject) AS of_subject, count(*) AS of_account
FROM audit WHERE account_id = :account_id AND action = :action AND at > :since;

-- name: add_person^
-- A new member of the staff; nothing comes back where the address is taken.
-- writes: staff
INSERT INTO staff (name, email, phone, roles) VALUES (:name, :email, :phone, :roles)
ON CONFLICT (email) DO NOTHING
RETURNING *;

-- name: change_person^
-- Change a member of the staff.
-- writes: staff
UPDATE staff SET name = :name, phone = :phone, roles = :roles, left_at = :left_at WHERE person_id = :person_id RETURNING *;

-- name: admins_held
-- The admins there are, held until the transaction ends, always in the same order.
-- reads: staff
SELECT person_id FROM staff WHERE 'admin' = ANY (roles) AND left_at IS NULL ORDER BY person_id FOR UPDATE;

-- name: person_locked^
-- One member of the staff, held until the transaction ends.
-- reads: staff
SELECT * FROM staff WHERE person_id = :person_id FOR UPDATE;

-- name: people
-- The staff, those who left last.
-- reads: staff
SELECT * FROM staff ORDER BY left_at NULLS FIRST, name, person_id;

-- name: person^
-- One member of the staff.
-- reads: staff
SELECT * FROM staff WHERE person_id = :person_id;

-- name: person_by_email^
-- One member of the staff by his address.
-- reads: staff
SELECT * FROM staff WHERE email = :email;

-- name: add_token$
-- A new token of somebody; returns its number.
-- writes: staff_tokens
INSERT INTO staff_tokens (person_id, token_hash, label) VALUES (:person_id, :token_hash, :label) RETURNING token_id;

-- name: revoke_tokens!
-- Make every token of somebody void.
-- writes: staff_tokens
UPDATE staff_tokens SET revoked_at = now() WHERE person_id = :person_id AND revoked_at IS NULL;

-- name: person_by_token^
-- Whose token this is; nobody's where it is void, or he has left.
-- reads: staff_tokens, staff
SELECT s.* FROM staff_tokens t JOIN staff s USING (person_id)
WHERE t.token_hash = :token_hash AND t.revoked_at IS NULL AND s.left_at IS NULL;

-- name: add_contact^
-- A new contact; nothing comes back where the account has one of that address.
-- writes: contacts
INSERT INTO contacts (account_id, name, email, role, may_sign, may_open_sev1, language)
VALUES (:account_id, :name, :email, :role, :may_sign, :may_open_sev1, :language)
ON CONFLICT (account_id, email) WHERE removed_at IS NULL DO NOTHING
RETURNING *;

-- name: change_contact^
-- Change a contact. Another address is not verified.
-- writes: contacts
UPDATE contacts SET name = :name, email_verified_at = CASE WHEN email = :email THEN email_verified_at END, email = :email,
       role = :role, may_sign = :may_sign, may_open_sev1 = :may_open_sev1, language = :language
WHERE contact_id = :contact_id AND account_id = :account_id AND removed_at IS NULL
RETURNING *;

-- name: remove_contact$
-- A contact who is none any more; what he signed stays his.
-- writes: contacts
UPDATE contacts SET removed_at = now() WHERE contact_id = :contact_id AND account_id = :account_id AND removed_at IS NULL
RETURNING contact_id;

-- name: verify_email!
-- Note that a contact's address is his.
-- writes: contacts
UPDATE contacts SET email_verified_at = now() WHERE contact_id = :contact_id AND email = :email AND removed_at IS NULL;

-- name: contacts_of
-- The contacts of an account.
-- reads: contacts
SELECT * FROM contacts WHERE account_id = :account_id AND removed_at IS NULL ORDER BY contact_id;

-- name: contacts_by_email
-- Everybody with an address, in every account.
-- reads: contacts
SELECT * FROM contacts WHERE email = :email AND removed_at IS NULL ORDER BY contact_id;

-- name: contact^
-- One contact of an account.
-- reads: contacts
SELECT * FROM contacts WHERE contact_id = :contact_id AND account_id = :account_id AND removed_at IS NULL;

-- name: contacts_by_phone
-- Everybody with a number, in every account.
-- reads: contacts, contact_phones
SELECT c.* FROM contacts c JOIN contact_phones p USING (contact_id)
WHERE p.number = :number AND c.removed_at IS NULL ORDER BY p.verified_at NULLS LAST, c.contact_id;

-- name: known_by
-- Contacts by addresses or verified numbers, with the names of their accounts.
-- reads: contacts, contact_phones, accounts
SELECT s.sender, c.contact_id, c.account_id, c.name, c.email, a.name AS account
FROM unnest(:senders::text[]) AS s (sender)
JOIN contacts c ON c.email = s.sender AND c.removed_at IS NULL JOIN accounts a USING (account_id)
UNION
SELECT s.sender, c.contact_id, c.account_id, c.name, c.email, a.name AS account
FROM unnest(:senders::text[]) AS s (sender)
JOIN contact_phones p ON p.number = s.sender AND p.verified_at IS NOT NULL
JOIN contacts c ON c.contact_id = p.contact_id AND c.removed_at IS NULL JOIN accounts a USING (account_id)
ORDER BY account_id, contact_id;

-- name: phones_of
-- The numbers of contacts, in the order in which they are called.
-- reads: contact_phones
SELECT * FROM contact_phones WHERE contact_id = ANY(:contact_ids::integer[]) ORDER BY contact_id, place;

-- name: drop_phones!
-- Forget numbers of a contact that are his no more.
-- writes: contact_phones
DELETE FROM contact_phones WHERE contact_id = :contact_id AND NOT number = ANY(:numbers::text[]);

-- name: put_phones!
-- Keep the numbers of a contact, in order; one that was verified stays so.
-- writes: contact_phones
INSERT INTO contact_phones (contact_id, number, place)
SELECT :contact_id, number, place FROM unnest(:numbers::text[]) WITH ORDINALITY AS n (number, place)
ON CONFLICT (contact_id, number) DO UPDATE SET place = excluded.place;

-- name: verify_phone$
-- Note that a number is a contact's; nothing comes back where it is none of his.
-- writes: contact_phones
UPDATE contact_phones SET verified_at = now() WHERE contact_id = :contact_id AND number = :number RETURNING contact_id;

-- name: lock_contact$
-- Let one ask for a code at a time.
-- reads: contacts
SELECT contact_id FROM contacts WHERE contact_id = :contact_id AND account_id = :account_id AND removed_at IS NULL FOR UPDATE;

-- name: put_pin!
-- Keep an account's support PIN in the place of the old one.
-- writes: support_pins
INSERT INTO support_pins (account_id, pin_digest) VALUES (:account_id, :pin_digest)
ON CONFLICT (account_id) DO UPDATE SET pin_digest = excluded.pin_digest, set_at = now();

-- name: account_by_pin$
-- Whose PIN this is.
-- reads: support_pins
SELECT account_id FROM support_pins WHERE pin_digest = :pin_digest;

-- name: pin_set_at$
-- When an account's PIN was set; the PIN itself is read by nobody.
-- reads: support_pins
SELECT set_at FROM support_pins WHERE account_id = :account_id;

-- name: lock_codes$
-- Let one code for a number be made at a time, so that nobody passes the bounds by asking twice at once.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtextextended('contact_phone_codes', 0));

-- name: codes_since^
-- How many codes were made since a moment for a number, and for contacts of an account.
-- reads: contact_phone_codes, contacts
SELECT (SELECT count(*) FROM contact_phone_codes WHERE number = :number AND made_at > :since) AS to_number,
       (SELECT count(*) FROM contact_phone_codes k JOIN contacts c USING (contact_id)
        WHERE c.account_id = :account_id AND k.made_at > :since) AS of_account;

-- name: add_code$
-- A new code for a number of a contact.
-- writes: contact_phone_codes
INSERT INTO contact_phone_codes (contact_id, number, way, made_at, good_until)
VALUES (:contact_id, :number, :way, :now, :good_until) RETURNING code_id;

-- name: try_code^
-- Count a try of the latest code for a number of a contact; nothing comes back where it is good no more.
-- writes: contact_phone_codes
UPDATE contact_phone_codes SET tries = tries + 1
WHERE code_id = (SELECT max(code_id) FROM contact_phone_codes WHERE contact_id = :contact_id AND number = :number)
  AND used_at IS NULL AND good_until > :now AND tries < :most
RETURNING code_id, way;

-- name: code_used!
-- Note that a code was shown.
-- writes: contact_phone_codes
UPDATE contact_phone_codes SET used_at = :now WHERE code_id = :code_id;

-- name: good_code^
-- A code that can still be shown.
-- reads: contact_phone_codes
SELECT contact_id, number FROM contact_phone_codes
WHERE code_id = :code_id AND used_at IS NULL AND good_until > :now AND tries < :most;
