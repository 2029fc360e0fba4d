-- Business Hours: what was recorded about each zone's hours and each holiday set, and when. Rows are only ever added. The
-- contract's own hours and the holidays that follow rules are in the program (hours/rules); they hold no rows.

CREATE TABLE hours_versions (
    zone           text NOT NULL,                     -- hours.types.ServiceZone
    version        integer NOT NULL,                  -- 1, 2, ... in a zone
    hours          jsonb NOT NULL,                    -- weekly windows and exceptions of single dates (hours/rules/text.py)
    effective_from timestamptz NOT NULL,              -- as it is meant; it never counts before recorded_at
    effective_to   timestamptz,                       -- NULL: until another version overrides it
    recorded_at    timestamptz NOT NULL,              -- the server's clock; see the trigger
    author         text NOT NULL,
    reason         text NOT NULL,
    notice_sent_at timestamptz,                       -- when customers were told
    PRIMARY KEY (zone, version),
    CHECK (effective_to > effective_from)
);

CREATE TABLE holiday_changes (
    holiday_set    text NOT NULL,                     -- hours.types.HolidaySet
    change         integer NOT NULL,                  -- 1, 2, ... in a set
    day            date NOT NULL,
    name           text NOT NULL,
    active         boolean NOT NULL,                  -- false: no holiday after all
    substitute_for date,
    source         text NOT NULL,
    source_version text NOT NULL,
    recorded_at    timestamptz NOT NULL,              -- the server's clock; see the trigger
    author         text NOT NULL,
    reason         text NOT NULL,
    PRIMARY KEY (holiday_set, change)
);

-- Whoever writes, also by hand: nobody chooses the time of recording.
CREATE FUNCTION hours_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.recorded_at := clock_timestamp();
    IF TG_TABLE_NAME = 'hours_versions' THEN
        NEW.effective_from := coalesce(NEW.effective_from, date_trunc('second', NEW.recorded_at));
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION hours_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added; record another one that overrides it', TG_TABLE_NAME;
END $$;

CREATE TRIGGER stamp BEFORE INSERT ON hours_versions FOR EACH ROW EXECUTE FUNCTION hours_stamp();
CREATE TRIGGER stamp BEFORE INSERT ON holiday_changes FOR EACH ROW EXECUTE FUNCTION hours_stamp();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hours_versions
    FOR EACH STATEMENT EXECUTE FUNCTION hours_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON holiday_changes
    FOR EACH STATEMENT EXECUTE FUNCTION hours_append_only();
