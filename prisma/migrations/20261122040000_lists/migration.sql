-- Lists of a million rows: see docs/decisions/0013.

-- CreateTable
CREATE TABLE "row_counts" (
    "id" BIGSERIAL NOT NULL,
    "counted" TEXT NOT NULL,
    "rows" BIGINT NOT NULL,

    CONSTRAINT "row_counts_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "row_counts_counted_idx" ON "row_counts"("counted");

-- Adds what a statement did to the number of rows of its table. Rows are only added, so that writers never wait for each
-- other here; now and then those that no other transaction holds are summed up into one.
CREATE FUNCTION "count_rows"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM row_counts WHERE counted = TG_TABLE_NAME;
        RETURN NULL;
    END IF;
    SELECT count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END INTO change FROM changed;
    IF change = 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO row_counts (counted, rows) VALUES (TG_TABLE_NAME, change);
    IF random() < 0.01 AND current_setting('transaction_isolation') = 'read committed' THEN
        WITH summed AS (
            DELETE FROM row_counts WHERE id IN (
                SELECT id FROM row_counts WHERE counted = TG_TABLE_NAME FOR UPDATE SKIP LOCKED
            ) RETURNING rows
        )
        INSERT INTO row_counts (counted, rows) SELECT TG_TABLE_NAME, coalesce(sum(rows), 0) FROM summed;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER "api_keys_counted_insert" AFTER INSERT ON "api_keys"
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "api_keys_counted_delete" AFTER DELETE ON "api_keys"
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "api_keys_counted_truncate" AFTER TRUNCATE ON "api_keys"
    FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "users_counted_insert" AFTER INSERT ON "users"
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "users_counted_delete" AFTER DELETE ON "users"
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "users_counted_truncate" AFTER TRUNCATE ON "users"
    FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "audit_events_counted_insert" AFTER INSERT ON "audit_events"
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "audit_events_counted_delete" AFTER DELETE ON "audit_events"
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();
CREATE TRIGGER "audit_events_counted_truncate" AFTER TRUNCATE ON "audit_events"
    FOR EACH STATEMENT EXECUTE FUNCTION "count_rows"();

-- Behind the triggers, whose making keeps writers out until this migration commits.
INSERT INTO "row_counts" ("counted", "rows")
SELECT 'api_keys', count(*) FROM "api_keys"
UNION ALL SELECT 'users', count(*) FROM "users"
UNION ALL SELECT 'audit_events', count(*) FROM "audit_events";

-- DropIndex
DROP INDEX "users_plan_id_idx";

-- CreateIndex
CREATE INDEX "users_plan_id_created_at_id_idx" ON "users"("plan_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "users_status_created_at_id_idx" ON "users"("status", "created_at", "id");

-- CreateIndex
CREATE INDEX "users_email_idx" ON "users"("email");

-- CreateIndex
CREATE INDEX "api_keys_prefix_idx" ON "api_keys"("prefix");

-- Few keys are revoked; without it they are looked for among all.
CREATE INDEX "api_keys_revoked" ON "api_keys"("created_at", "id") WHERE "revoked_at" IS NOT NULL;

-- The same for those that end some day, and when.
CREATE INDEX "api_keys_that_expire" ON "api_keys"("created_at", "id") INCLUDE ("expires_at") WHERE "expires_at" IS NOT NULL;
