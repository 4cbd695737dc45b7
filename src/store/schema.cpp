#include "store/schema.h"

namespace kith::store {
namespace {

constexpr std::string_view version_1 = R"sql(
CREATE TABLE record (
    seq     INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    id      BLOB NOT NULL,
    kind    TEXT NOT NULL,
    account BLOB,               -- NULL: belongs to none
    flags   INTEGER NOT NULL,   -- see the README
    size    INTEGER NOT NULL,   -- of the canonical form
    sender  TEXT NOT NULL,
    subject TEXT NOT NULL,
    body    BLOB NOT NULL       -- last, so that a list does not read past it
) STRICT;
CREATE UNIQUE INDEX record_key ON record (time_ms, id);
CREATE INDEX record_kind ON record (kind, time_ms, id) WHERE kind NOT IN ('mail', 'message');

CREATE TABLE message (
    account BLOB NOT NULL,
    msgid   TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (account, msgid, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE slot (
    level INTEGER NOT NULL,
    slot  INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum   BLOB NOT NULL,
    PRIMARY KEY (level, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob (
    seq       INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE,
    size      INTEGER NOT NULL,
    state     INTEGER NOT NULL,   -- 0 missing, 1 partial, 2 complete
    refs      INTEGER NOT NULL,   -- how many parts of records name it
    newest_ms INTEGER NOT NULL,   -- time of the newest record that does
    hashes    BLOB,               -- of the pieces; NULL: not known yet
    have      BLOB                -- partial: a bit a piece that is on the disk, the first one highest
) STRICT;
CREATE INDEX blob_missing ON blob (newest_ms DESC, id) WHERE state < 2 AND refs > 0;

CREATE TABLE history_state (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    records       INTEGER NOT NULL DEFAULT 0,
    record_bytes  INTEGER NOT NULL DEFAULT 0,
    blobs         INTEGER NOT NULL DEFAULT 0,
    blob_bytes    INTEGER NOT NULL DEFAULT 0,
    blobs_missing INTEGER NOT NULL DEFAULT 0,
    bytes_missing INTEGER NOT NULL DEFAULT 0,
    term_check    BLOB            -- tells which secret the sums were made with; NULL: none
) STRICT;
INSERT INTO history_state (one) VALUES (1);

CREATE TRIGGER blob_added AFTER INSERT ON blob BEGIN
    UPDATE history_state SET
        blobs = blobs + (new.refs > 0),
        blob_bytes = blob_bytes + (new.refs > 0) * new.size,
        blobs_missing = blobs_missing + (new.refs > 0 AND new.state < 2),
        bytes_missing = bytes_missing + (new.refs > 0 AND new.state < 2) * new.size;
END;
CREATE TRIGGER blob_changed AFTER UPDATE OF size, state, refs ON blob BEGIN
    UPDATE history_state SET
        blobs = blobs + (new.refs > 0) - (old.refs > 0),
        blob_bytes = blob_bytes + (new.refs > 0) * new.size - (old.refs > 0) * old.size,
        blobs_missing = blobs_missing + (new.refs > 0 AND new.state < 2) - (old.refs > 0 AND old.state < 2),
        bytes_missing = bytes_missing + (new.refs > 0 AND new.state < 2) * new.size
                                      - (old.refs > 0 AND old.state < 2) * old.size;
END;
CREATE TRIGGER blob_removed AFTER DELETE ON blob BEGIN
    UPDATE history_state SET
        blobs = blobs - (old.refs > 0),
        blob_bytes = blob_bytes - (old.refs > 0) * old.size,
        blobs_missing = blobs_missing - (old.refs > 0 AND old.state < 2),
        bytes_missing = bytes_missing - (old.refs > 0 AND old.state < 2) * old.size;
END;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    seq       INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE,
    body      BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

CREATE TABLE account (
    id       BLOB PRIMARY KEY,
    address  TEXT NOT NULL,
    identity TEXT NOT NULL,
    pin      BLOB NOT NULL,
    site     TEXT NOT NULL,
    alias    TEXT NOT NULL,
    uid      TEXT NOT NULL,     -- '': not registered yet
    state    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX account_member ON account (identity, uid) WHERE uid <> '';

CREATE TABLE node (
    account BLOB PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    nodeid  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE provision (
    account BLOB NOT NULL REFERENCES account ON DELETE CASCADE,
    device  BLOB NOT NULL,
    label   TEXT NOT NULL,
    nodeid  BLOB NOT NULL,      -- empty: not made yet
    state   TEXT NOT NULL,
    msgid   TEXT NOT NULL,
    PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE post (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given twice
    account BLOB NOT NULL REFERENCES account ON DELETE CASCADE,
    head    BLOB NOT NULL,
    body    BLOB NOT NULL,
    state   TEXT NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX post_account ON post (account, id);

CREATE TABLE peer (
    device    BLOB PRIMARY KEY,
    endpoints TEXT NOT NULL,    -- one a line
    seen_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    role          TEXT NOT NULL,
    peer          BLOB NOT NULL,
    state         TEXT NOT NULL,
    started_ms    INTEGER NOT NULL,
    ended_ms      INTEGER NOT NULL,   -- 0: not yet
    records_total INTEGER NOT NULL,
    bytes_total   INTEGER NOT NULL,
    PRIMARY KEY (role, peer)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipt (
    seq     INTEGER PRIMARY KEY,
    peer    BLOB NOT NULL,
    made_ms INTEGER NOT NULL,
    body    BLOB NOT NULL,
    own     BLOB NOT NULL,
    theirs  BLOB NOT NULL
) STRICT;
)sql";

// The index of fingerprints by buckets of records instead of slots of time; records whose bytes are not here.
// Which of the records so far have blobs is not known to SQL: all are looked into.
constexpr std::string_view version_2 = R"sql(
DROP TABLE slot;
CREATE TABLE bucket (
    level   INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    id      BLOB NOT NULL,
    count   INTEGER NOT NULL,
    sum     BLOB NOT NULL,
    PRIMARY KEY (level, time_ms, id)
) STRICT, WITHOUT ROWID;
UPDATE history_state SET term_check = NULL;

DROP INDEX record_kind;
CREATE INDEX record_kind ON record (kind, time_ms, id) WHERE kind NOT IN ('mail', 'message', '');
UPDATE record SET flags = flags | 8;
CREATE INDEX record_blobs ON record (time_ms, id) WHERE flags & 8;
CREATE INDEX record_absent ON record (time_ms, id) WHERE flags & 16;

CREATE TABLE erased (
    time_ms   INTEGER NOT NULL,
    id        BLOB NOT NULL,
    erased_ms INTEGER NOT NULL,
    PRIMARY KEY (time_ms, id)
) STRICT, WITHOUT ROWID;
ALTER TABLE history_state ADD COLUMN absent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history_state ADD COLUMN absent_bytes INTEGER NOT NULL DEFAULT 0;
)sql";

// The outbox holds any request as it goes over the wire, instead of posts alone; messages by thread, and who
// wrote them. What is here already is looked into at the next start (`threads` 0).
constexpr std::string_view version_3 = R"sql(
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given twice
    account BLOB NOT NULL REFERENCES account ON DELETE CASCADE,
    head    BLOB NOT NULL,
    state   TEXT NOT NULL,
    why     TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    body    BLOB NOT NULL       -- last, so that the rest is had without it
) STRICT;
INSERT INTO outbox (id, account, head, state, why, made_ms, body)
    SELECT id, account, CAST(json_object('op', 7, 'id', '-', 'datalen', length(body),
        'datahead', json_extract(CAST(head AS TEXT), '$.datahead'),
        'for', (SELECT json_group_array(json_object('id', value, 'type', 1)) FROM json_each(CAST(head AS TEXT), '$.for')))
        AS BLOB), state, '', made_ms, body FROM post;
DROP TABLE post;
CREATE INDEX outbox_account ON outbox (account, id);

CREATE TABLE thread (
    account BLOB NOT NULL,
    thread  TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    id      BLOB NOT NULL,
    PRIMARY KEY (account, thread, time_ms, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE correspondent (
    account BLOB NOT NULL,
    uid     TEXT NOT NULL,
    alias   TEXT NOT NULL,
    met     INTEGER NOT NULL,
    PRIMARY KEY (account, uid, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_message ON record (time_ms, id) WHERE kind = 'message';
ALTER TABLE history_state ADD COLUMN threads INTEGER NOT NULL DEFAULT 0;
)sql";

// When a roster entry came: what a device claims to have signed long ago may be new all the same.
constexpr std::string_view version_4 = R"sql(
ALTER TABLE entry ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0;
)sql";

// Messages by which an account came to be in groups, or out of them.
constexpr std::string_view version_5 = R"sql(
CREATE TABLE group_event (
    account BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    id      BLOB NOT NULL,
    PRIMARY KEY (account, time_ms, id)
) STRICT, WITHOUT ROWID;
UPDATE history_state SET threads = 0;
)sql";

}  // namespace

const std::vector<std::string_view>& profile_schema() {
    static const std::vector<std::string_view> migrations{version_1, version_2, version_3, version_4,
                                                          version_5};
    return migrations;
}

}  // namespace kith::store
