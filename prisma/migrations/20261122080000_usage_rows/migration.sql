-- How usage comes from the workers: a row of text for each event, whose columns are those of usage-batch.v2.
CREATE TYPE "usage_row_v2" AS (
    "seq" BIGINT, "created_at" TIMESTAMPTZ(3), "user_id" TEXT, "group_id" TEXT, "api_key_id" TEXT, "plan_id" TEXT,
    "route_id" TEXT, "upstream_id" TEXT, "method" TEXT, "path" TEXT, "status_code" INTEGER, "latency_ms" INTEGER,
    "request_bytes" BIGINT, "response_bytes" BIGINT, "metered_units" BIGINT, "error_code" TEXT, "metering_error" TEXT,
    "request_id" TEXT, "config_revision" BIGINT, "client_ip" TEXT, "trace_id" TEXT
);

-- Sums are updated again and again: with space in their pages a new version of a row needs no new entries in the indexes.
ALTER TABLE "usage_hourly" SET (fillfactor = 50);
ALTER TABLE "usage_daily" SET (fillfactor = 50);
ALTER TABLE "usage_periods" SET (fillfactor = 50);
ALTER TABLE "usage_marks" SET (fillfactor = 50);
