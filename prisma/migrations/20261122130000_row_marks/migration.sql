-- The rows of the large tables are counted in parts, so that a deep page begins near its place: see docs/decisions/0013.

-- CreateTable
CREATE TABLE "row_marks" (
    "counted" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3)[] NOT NULL DEFAULT ARRAY[]::TIMESTAMPTZ(3)[],

    CONSTRAINT "row_marks_pkey" PRIMARY KEY ("counted")
);

INSERT INTO "row_marks" ("counted") VALUES ('api_keys'), ('users'), ('audit_events');

-- AlterTable
ALTER TABLE "row_counts" ADD COLUMN "since" TIMESTAMPTZ(3);

-- As before, and a row for each part that a statement touched: the part of an instant begins at the greatest mark that is not
-- after it (there is no element 0, so NULL is the part before the first mark). Who moves marks keeps writers of the table out.
CREATE OR REPLACE FUNCTION "count_rows"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM row_counts WHERE counted = TG_TABLE_NAME;
        RETURN NULL;
    END IF;
    INSERT INTO row_counts (counted, since, rows)
        SELECT TG_TABLE_NAME, marks.since[width_bucket(changed.created_at, marks.since)],
            count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END
        FROM changed, (SELECT since FROM row_marks WHERE counted = TG_TABLE_NAME) AS marks
        GROUP BY 2;
    IF FOUND AND random() < 0.01 AND current_setting('transaction_isolation') = 'read committed' THEN
        WITH summed AS (
            DELETE FROM row_counts WHERE id IN (
                SELECT id FROM row_counts WHERE counted = TG_TABLE_NAME FOR UPDATE SKIP LOCKED
            ) RETURNING since, rows
        )
        INSERT INTO row_counts (counted, since, rows)
            SELECT TG_TABLE_NAME, since, sum(rows) FROM summed GROUP BY since HAVING sum(rows) <> 0;
    END IF;
    RETURN NULL;
END
$$;
