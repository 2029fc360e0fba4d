-- What the log is searched by most: a recipient, a campaign, a transmission. Keys of message and transmission begin with the
-- time, those of campaigns grow at few places, so only the recipient's index is written all over.

CREATE INDEX events_recipient ON events (account_id, recipient, at);
CREATE INDEX events_campaign ON events (account_id, campaign_id, at) INCLUDE (day) WHERE campaign_id <> '';
CREATE INDEX events_transmission ON events (transmission_id);
