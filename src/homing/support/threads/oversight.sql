-- name: promises_at_risk
-- Promises of some accounts that run, or were missed and are still owed; call-backs are the line's.
-- reads: clocks
SELECT subject, subject_id, number, account_id, kind, nature, zone, state, started_at, due_at
FROM clocks c
WHERE c.account_id = ANY(:account_ids::integer[]) AND c.ended_at IS NULL AND c.state IN ('running', 'missed')
  AND c.due_at IS NOT NULL AND c.kind <> 'CALLBACK' AND c.started_at <= :until
ORDER BY c.due_at LIMIT :most;

-- name: call_backs_owed
-- Call-backs of some accounts that are owed, in time or missed. unnamed: also of calls that are nobody's yet.
-- reads: line_obligations, line_calls
SELECT o.obligation_id, o.due_at, o.outcome, o.claimed_by, c.account_id, c.reference, c.first_ring_at, c.intake_id, c.case_ref
FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE (c.account_id = ANY(:account_ids::integer[]) OR (:unnamed::boolean AND c.account_id IS NULL))
  AND o.voided_at IS NULL AND o.returned_at IS NULL AND o.engaged_at IS NULL
  AND (o.outcome IS NULL OR o.outcome = 'missed') AND c.first_ring_at <= :until
ORDER BY o.due_at LIMIT :most;

-- name: calls_unnamed
-- Calls of which a person still has to say whose they are: until then they have no case.
-- reads: line_calls, line_obligations
SELECT c.intake_id, c.reference, c.caller, c.source, c.first_ring_at, c.decide_by FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.account_id IS NULL AND c.entitlement <> 'no' AND NOT c.before_cases AND o.voided_at IS NULL AND c.first_ring_at <= :until
ORDER BY c.decide_by LIMIT :most;

-- name: critical_cases
-- Critical Issues of some accounts that are open.
-- reads: cases
SELECT case_id, account_id, state, subject, owner_id, opened_at, updated_at FROM cases
WHERE account_id = ANY(:account_ids::integer[]) AND severity = 'critical' AND ended_at IS NULL AND opened_at <= :until
ORDER BY opened_at LIMIT :most;

-- name: news
-- What happened in some accounts, the latest first, from after a place on: cases, what was written in them, calls, pages, promises
-- that wait or were decided, threads. What there may be much of is read account by account, and only where it can be among these:
-- nobody's second is, whose first is not; nor what is older than the last of as many firsts (`since`).
-- reads: cases, case_messages, line_calls, line_obligations, oncall_pages, oncall_runs, clocks, thread_messages
SELECT * FROM (
    (SELECT one.* FROM (SELECT account_id, CASE WHEN count(*) OVER () = :limit THEN min(at) OVER () END AS since FROM (
        SELECT a.account_id, newest.at FROM unnest(:account_ids::integer[]) AS a (account_id), LATERAL (
            SELECT updated_at AS at, case_id::text AS ident FROM cases
            WHERE account_id = a.account_id AND updated_at <= :at
              AND (updated_at < :at OR ('case', case_id::text COLLATE "C") > (:kind::text COLLATE "C", :ident))
              AND NOT (severity = 'critical' AND ended_at IS NULL)
            ORDER BY updated_at DESC, case_id::text COLLATE "C" LIMIT 1) newest
        ORDER BY newest.at DESC, newest.ident COLLATE "C" LIMIT :limit) firsts) lively, LATERAL (
            SELECT 'case' AS kind, case_id::text AS ident, account_id, updated_at AS at, NULL::timestamptz AS due_at, state, subject AS what,
                   jsonb_build_object('case', case_id, 'severity', severity, 'owner_id', owner_id) AS detail
            FROM cases
            WHERE account_id = lively.account_id AND updated_at <= :at AND updated_at >= coalesce(lively.since, '-infinity')
              AND (updated_at < :at OR ('case', case_id::text COLLATE "C") > (:kind::text COLLATE "C", :ident))
              AND NOT (severity = 'critical' AND ended_at IS NULL)
            ORDER BY updated_at DESC, case_id::text COLLATE "C" LIMIT :limit) one
     ORDER BY one.at DESC, one.ident COLLATE "C" LIMIT :limit)
    UNION ALL
    (SELECT one.* FROM (SELECT account_id, CASE WHEN count(*) OVER () = :limit THEN min(at) OVER () END AS since FROM (
        SELECT a.account_id, newest.at FROM unnest(:account_ids::integer[]) AS a (account_id), LATERAL (
            SELECT received_at AS at, case_id || '/' || number AS ident FROM case_messages
            WHERE account_id = a.account_id AND received_at <= :at
              AND (received_at < :at OR ('message', (case_id || '/' || number) COLLATE "C") > (:kind::text COLLATE "C", :ident))
            ORDER BY received_at DESC, (case_id || '/' || number) COLLATE "C" LIMIT 1) newest
        ORDER BY newest.at DESC, newest.ident COLLATE "C" LIMIT :limit) firsts) lively, LATERAL (
            SELECT 'message' AS kind, case_id || '/' || number AS ident, account_id, received_at AS at, NULL::timestamptz AS due_at, purpose,
                   left(body, 200), jsonb_build_object('case', case_id, 'message', number, 'side', side, 'author', author,
                                                       'channel', channel, 'automatic', automatic)
            FROM case_messages
            WHERE account_id = lively.account_id AND received_at <= :at AND received_at >= coalesce(lively.since, '-infinity')
              AND (received_at < :at OR ('message', (case_id || '/' || number) COLLATE "C") > (:kind::text COLLATE "C", :ident))
            ORDER BY received_at DESC, (case_id || '/' || number) COLLATE "C" LIMIT :limit) one
     ORDER BY one.at DESC, one.ident COLLATE "C" LIMIT :limit)
    UNION ALL
    (SELECT one.* FROM (SELECT account_id, CASE WHEN count(*) OVER () = :limit THEN min(at) OVER () END AS since FROM (
        SELECT a.account_id, newest.at FROM unnest(:account_ids::integer[]) AS a (account_id), LATERAL (
            SELECT first_ring_at AS at, intake_id::text AS ident FROM line_calls
            WHERE account_id = a.account_id AND first_ring_at <= :at
              AND (first_ring_at < :at OR ('call', intake_id::text COLLATE "C") > (:kind::text COLLATE "C", :ident))
            ORDER BY first_ring_at DESC, intake_id::text COLLATE "C" LIMIT 1) newest
        ORDER BY newest.at DESC, newest.ident COLLATE "C" LIMIT :limit) firsts) lively, LATERAL (
            SELECT 'call' AS kind, intake_id::text AS ident, account_id, first_ring_at AS at, NULL::timestamptz AS due_at,
                   CASE WHEN ended_at IS NULL THEN 'under way' WHEN partial THEN 'hung up early' ELSE 'ended' END, reference,
                   jsonb_build_object('call', intake_id, 'caller', caller, 'source', source, 'case', case_ref)
            FROM line_calls
            WHERE account_id = lively.account_id AND first_ring_at <= :at AND first_ring_at >= coalesce(lively.since, '-infinity')
              AND (first_ring_at < :at OR ('call', intake_id::text COLLATE "C") > (:kind::text COLLATE "C", :ident))
            ORDER BY first_ring_at DESC, intake_id::text COLLATE "C" LIMIT :limit) one
     ORDER BY one.at DESC, one.ident COLLATE "C" LIMIT :limit)
    UNION ALL
    (SELECT 'page', p.page_id::text, r.account_id, p.made_at, NULL,
            CASE WHEN p.acknowledged_at IS NOT NULL THEN 'acknowledged' WHEN p.sent_at IS NOT NULL THEN 'sent'
                 WHEN p.due_at IS NOT NULL THEN 'waiting' ELSE 'failed' END,
            r.reference, jsonb_build_object('person_id', p.person_id, 'by', p.kind, 'ladder', r.run_id, 'severity', r.severity)
     FROM oncall_pages p JOIN oncall_runs r USING (run_id)
     WHERE r.account_id = ANY(:account_ids::integer[]) AND p.made_at <= :at
       AND (p.made_at < :at OR ('page', p.page_id::text COLLATE "C") > (:kind::text COLLATE "C", :ident))
     ORDER BY p.made_at DESC, p.page_id::text COLLATE "C" LIMIT :limit)
    UNION ALL
    (SELECT one.* FROM (SELECT account_id, CASE WHEN count(*) OVER () = :limit THEN min(at) OVER () END AS since FROM (
        SELECT a.account_id, newest.at FROM unnest(:account_ids::integer[]) AS a (account_id), LATERAL (
            SELECT coalesce(ended_at, outcome_at, started_at) AS at, subject || ' ' || subject_id || '/' || number AS ident FROM clocks
            WHERE account_id = a.account_id AND coalesce(ended_at, outcome_at, started_at) <= :at
              AND (coalesce(ended_at, outcome_at, started_at) < :at
                   OR ('promise', (subject || ' ' || subject_id || '/' || number) COLLATE "C") > (:kind::text COLLATE "C", :ident))
              AND kind <> 'CALLBACK' AND NOT (ended_at IS NULL AND state IN ('running', 'missed') AND due_at IS NOT NULL)
            ORDER BY coalesce(ended_at, outcome_at, started_at) DESC, (subject || ' ' || subject_id || '/' || number) COLLATE "C" LIMIT 1) newest
        ORDER BY newest.at DESC, newest.ident COLLATE "C" LIMIT :limit) firsts) lively, LATERAL (
            SELECT 'promise' AS kind, subject || ' ' || subject_id || '/' || number AS ident, account_id,
                   coalesce(ended_at, outcome_at, started_at) AS at,
                   due_at, state, clocks.kind, jsonb_build_object('of', subject, 'of_id', subject_id, 'nature', nature)
            FROM clocks
            WHERE account_id = lively.account_id AND coalesce(ended_at, outcome_at, started_at) <= :at
              AND coalesce(ended_at, outcome_at, started_at) >= coalesce(lively.since, '-infinity')
              AND (coalesce(ended_at, outcome_at, started_at) < :at
                   OR ('promise', (subject || ' ' || subject_id || '/' || number) COLLATE "C") > (:kind::text COLLATE "C", :ident))
              AND kind <> 'CALLBACK' AND NOT (ended_at IS NULL AND state IN ('running', 'missed') AND due_at IS NOT NULL)
            ORDER BY coalesce(ended_at, outcome_at, started_at) DESC, (subject || ' ' || subject_id || '/' || number) COLLATE "C" LIMIT :limit) one
     ORDER BY one.at DESC, one.ident COLLATE "C" LIMIT :limit)
    UNION ALL
    (SELECT 'promise', 'call ' || intake_id, account_id, at, due_at, state, 'CALLBACK',
            jsonb_build_object('of', 'call', 'of_id', intake_id, 'nature', 'contractual', 'reference', reference, 'case', case_ref)
     FROM (SELECT c.intake_id, c.account_id, c.reference, c.case_ref, o.due_at,
                  coalesce(o.voided_at, o.returned_at, o.engaged_at, o.outcome_at) AS at,
                  CASE WHEN o.voided_at IS NOT NULL THEN 'void' ELSE coalesce(o.outcome, 'met') END AS state
           FROM line_obligations o JOIN line_calls c USING (intake_id)
           WHERE c.account_id = ANY(:account_ids::integer[])
             AND coalesce(o.voided_at, o.returned_at, o.engaged_at) IS NOT NULL) decided
     WHERE at <= :at AND (at < :at OR ('promise', ('call ' || intake_id) COLLATE "C") > (:kind::text COLLATE "C", :ident))
     ORDER BY at DESC, ('call ' || intake_id) COLLATE "C" LIMIT :limit)
    UNION ALL
    (SELECT one.* FROM (SELECT account_id, CASE WHEN count(*) OVER () = :limit THEN min(at) OVER () END AS since FROM (
        SELECT a.account_id, newest.at FROM unnest(:account_ids::integer[]) AS a (account_id), LATERAL (
            SELECT received_at AS at, message_id::text AS ident FROM thread_messages
            WHERE account_id = a.account_id AND received_at <= :at
              AND (received_at < :at OR ('thread', message_id::text COLLATE "C") > (:kind::text COLLATE "C", :ident))
            ORDER BY received_at DESC, message_id::text COLLATE "C" LIMIT 1) newest
        ORDER BY newest.at DESC, newest.ident COLLATE "C" LIMIT :limit) firsts) lively, LATERAL (
            SELECT 'thread' AS kind, message_id::text AS ident, account_id, received_at AS at, NULL::timestamptz AS due_at, sort,
                   left(coalesce(nullif(subject, ''), body), 200),
                   jsonb_build_object('message', number, 'side', side, 'author', author, 'channel', channel, 'automatic', automatic)
            FROM thread_messages
            WHERE account_id = lively.account_id AND received_at <= :at AND received_at >= coalesce(lively.since, '-infinity')
              AND (received_at < :at OR ('thread', message_id::text COLLATE "C") > (:kind::text COLLATE "C", :ident))
            ORDER BY received_at DESC, message_id::text COLLATE "C" LIMIT :limit) one
     ORDER BY one.at DESC, one.ident COLLATE "C" LIMIT :limit)
) found
ORDER BY at DESC, kind COLLATE "C", ident COLLATE "C" LIMIT :limit;
