"""Tables of the event log, and the statements that join what is new with what was there."""

from __future__ import annotations

# A request is one exposure, whichever of its components logged it first. "First" is by arrival, not by time: what
# has arrived is never overtaken by what arrives later, so a join that was read stays true.
SCHEMA = """
CREATE TABLE IF NOT EXISTS prediction (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL, release TEXT NOT NULL, component TEXT NOT NULL, variant TEXT NOT NULL,
    mirrored INTEGER NOT NULL, ts INTEGER NOT NULL, version TEXT, tag TEXT, unit TEXT, allocation_id INTEGER,
    propensity REAL, latency_ms REAL, status INTEGER, features TEXT, output TEXT, attributions TEXT, segment TEXT,
    cost TEXT, received_at INTEGER NOT NULL,
    UNIQUE (request_id, release, component, variant, mirrored)
);
CREATE INDEX IF NOT EXISTS prediction_ts ON prediction (ts);
CREATE INDEX IF NOT EXISTS prediction_unit ON prediction (unit, ts) WHERE unit IS NOT NULL;

CREATE VIEW IF NOT EXISTS shown AS
    SELECT id, request_id, release, unit, ts, (
        SELECT MIN(first.id) FROM prediction first
        WHERE first.request_id = p.request_id AND first.release = p.release AND first.mirrored = 0
    ) AS exposure
    FROM prediction p WHERE p.mirrored = 0;

CREATE TABLE IF NOT EXISTS outcome (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL, by_unit INTEGER NOT NULL, metric TEXT NOT NULL, observed_at INTEGER NOT NULL,
    value REAL NOT NULL, release TEXT NOT NULL, source TEXT NOT NULL, received_at INTEGER NOT NULL,
    variant TEXT NOT NULL DEFAULT '',
    UNIQUE (subject, by_unit, metric, observed_at, value, release, source, variant)
);

CREATE TABLE IF NOT EXISTS joined (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    exposure INTEGER NOT NULL, outcome INTEGER NOT NULL, metric TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS joined_metric ON joined (metric, id);
CREATE INDEX IF NOT EXISTS joined_exposure ON joined (exposure, metric);
CREATE INDEX IF NOT EXISTS joined_outcome ON joined (outcome);

CREATE TABLE IF NOT EXISTS pair_read (question TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pair_stratum (
    question TEXT, release TEXT, variant TEXT, tag TEXT, epoch INTEGER, kind TEXT, segment TEXT,
    pairs INTEGER NOT NULL, below INTEGER NOT NULL, seen_at INTEGER NOT NULL,
    PRIMARY KEY (question, release, variant, tag, epoch, kind, segment)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pair_sums (
    question TEXT, release TEXT, variant TEXT, tag TEXT, epoch INTEGER, measure TEXT, segment TEXT,
    count INTEGER NOT NULL, total REAL NOT NULL, squares REAL NOT NULL, absolute REAL NOT NULL, largest REAL NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (question, release, variant, tag, epoch, measure, segment)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pair_kept (
    question TEXT, release TEXT, variant TEXT, tag TEXT, epoch INTEGER, kind TEXT, segment TEXT, rank INTEGER,
    stable INTEGER NOT NULL, tried INTEGER NOT NULL,
    PRIMARY KEY (question, release, variant, tag, epoch, kind, segment, rank)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS review_question (
    item TEXT, reviewer TEXT, release TEXT NOT NULL, variant TEXT NOT NULL, tag TEXT NOT NULL, request_id TEXT NOT NULL,
    kind TEXT NOT NULL, segment TEXT NOT NULL, drawn TEXT NOT NULL, asked_at INTEGER NOT NULL, said TEXT,
    PRIMARY KEY (item, reviewer)
) WITHOUT ROWID;
"""

# Only what is known already is passed over; OR IGNORE would drop rows that break any other rule unheard.
ADD_PREDICTION = """
INSERT INTO prediction VALUES (NULL, ?,?,?,?,?, ?,?,?,?,?, ?,?,?,?,?, ?,?,?,?)
ON CONFLICT (request_id, release, component, variant, mirrored) DO NOTHING
"""
ADD_OUTCOME = """
INSERT INTO outcome VALUES (NULL, ?,?,?,?,?,?,?,?,?)
ON CONFLICT (subject, by_unit, metric, observed_at, value, release, source, variant) DO NOTHING
"""
# Logs of earlier versions know no variant of an outcome, and SQLite adds no column to a constraint.
RENEW_OUTCOME = (
    "ALTER TABLE outcome RENAME TO outcome_before",
    SCHEMA[SCHEMA.index("CREATE TABLE IF NOT EXISTS outcome") : SCHEMA.index("CREATE TABLE IF NOT EXISTS joined")],
    "INSERT INTO outcome SELECT *, '' FROM outcome_before",
    "INSERT INTO sqlite_sequence SELECT 'outcome', 0 WHERE 'outcome' NOT IN (SELECT name FROM sqlite_sequence)",
    "UPDATE sqlite_sequence SET seq ="
    " (SELECT MAX(seq) FROM sqlite_sequence WHERE name IN ('outcome', 'outcome_before')) WHERE name = 'outcome'",
    "DROP TABLE outcome_before",
)

JOIN_NEW_OUTCOMES_BY_REQUEST = """
INSERT INTO joined (exposure, outcome, metric)
SELECT MIN(p.exposure), o.id, o.metric FROM outcome o JOIN shown p ON p.request_id = o.subject
WHERE o.id > :last_outcome AND o.by_unit = 0 AND o.variant = '' AND o.release IN ('', p.release)
GROUP BY o.id, p.release
"""
JOIN_NEW_OUTCOMES_BY_VARIANT = """
INSERT INTO joined (exposure, outcome, metric)
SELECT MIN(p.id), o.id, o.metric FROM outcome o
JOIN prediction p ON p.request_id = o.subject AND p.variant = o.variant
WHERE o.id > :last_outcome AND o.by_unit = 0 AND o.release IN ('', p.release)
GROUP BY o.id, p.release
"""
JOIN_NEW_OUTCOMES_BY_UNIT = """
INSERT INTO joined (exposure, outcome, metric)
SELECT MIN(p.exposure), o.id, o.metric FROM outcome o JOIN shown p ON p.unit = o.subject
WHERE o.id > :last_outcome AND o.by_unit = 1 AND o.release IN ('', p.release)
    AND p.ts BETWEEN o.observed_at - :window AND o.observed_at
GROUP BY o.id, p.release
"""
JOIN_NEW_PREDICTIONS_BY_REQUEST = """
INSERT INTO joined (exposure, outcome, metric)
SELECT p.id, o.id, o.metric FROM shown p JOIN outcome o ON o.subject = p.request_id AND o.by_unit = 0
WHERE p.id > :last_prediction AND o.id <= :last_outcome AND o.release IN ('', p.release) AND p.id = p.exposure
    AND o.variant = ''
"""
JOIN_NEW_PREDICTIONS_BY_VARIANT = """
INSERT INTO joined (exposure, outcome, metric)
SELECT MIN(p.id), o.id, o.metric FROM prediction p
JOIN outcome o ON o.subject = p.request_id AND o.by_unit = 0 AND o.variant = p.variant
WHERE p.id > :last_prediction AND o.id <= :last_outcome AND o.release IN ('', p.release)
    AND NOT EXISTS (
        SELECT 1 FROM joined j JOIN prediction q ON q.id = j.exposure
        WHERE j.outcome = o.id AND q.release = p.release)
GROUP BY o.id, p.release
"""
JOIN_NEW_PREDICTIONS_BY_UNIT = """
INSERT INTO joined (exposure, outcome, metric)
SELECT MIN(p.exposure), o.id, o.metric FROM shown p JOIN outcome o ON o.subject = p.unit AND o.by_unit = 1
WHERE p.id > :last_prediction AND o.id <= :last_outcome AND o.release IN ('', p.release)
    AND p.ts BETWEEN o.observed_at - :window AND o.observed_at
    AND NOT EXISTS (
        SELECT 1 FROM joined j JOIN prediction q ON q.id = j.exposure
        WHERE j.outcome = o.id AND q.release = p.release)
GROUP BY o.id, p.release
"""
JOINS = (
    JOIN_NEW_OUTCOMES_BY_REQUEST,
    JOIN_NEW_OUTCOMES_BY_VARIANT,
    JOIN_NEW_OUTCOMES_BY_UNIT,
    JOIN_NEW_PREDICTIONS_BY_REQUEST,
    JOIN_NEW_PREDICTIONS_BY_VARIANT,
    JOIN_NEW_PREDICTIONS_BY_UNIT,
)
"""Run in one transaction after the new rows are in."""

PRUNE = (
    "DELETE FROM prediction WHERE received_at < :before",
    "DELETE FROM joined WHERE exposure NOT IN (SELECT id FROM prediction)",
    # An outcome outlives its time while an exposure of it is here: without it a repetition would count anew.
    "DELETE FROM outcome WHERE received_at < :before AND id NOT IN (SELECT outcome FROM joined)",
    # What was kept of answers goes with the answers.
    "DELETE FROM pair_kept WHERE tried NOT IN (SELECT id FROM prediction) OR stable NOT IN (SELECT id FROM prediction)",
    "DELETE FROM pair_stratum WHERE seen_at < :before",
    "DELETE FROM pair_sums WHERE seen_at < :before",
    "DELETE FROM review_question WHERE asked_at < :before",
)
