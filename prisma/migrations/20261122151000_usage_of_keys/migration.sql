-- What a key has used is found by its owners and days, which the daily sums know: an index of the events by key cost as much
-- as all else that one of them is written to but the table itself.

-- The ledger writes events before sums: in the other order this would meet it in a deadlock.
LOCK TABLE "usage_events" IN SHARE MODE;

-- CreateIndex
CREATE INDEX "usage_daily_api_key_id_day_idx" ON "usage_daily"("api_key_id", "day");

-- DropIndex
DROP INDEX "usage_events_key";
