-- Half of what an event costs is its entries in indexes: without the id, which only orders what was received in one
-- millisecond, and without those that have no owner of that kind, they are smaller and fewer.

-- CreateIndex
CREATE INDEX "usage_events_user" ON "usage_events"("user_id", "created_at") WHERE "user_id" IS NOT NULL;

-- CreateIndex
CREATE INDEX "usage_events_group" ON "usage_events"("group_id", "created_at") WHERE "group_id" IS NOT NULL;

-- CreateIndex
CREATE INDEX "usage_events_key" ON "usage_events"("api_key_id", "created_at") WHERE "api_key_id" IS NOT NULL;

-- DropIndex
DROP INDEX "usage_events_user_id_created_at_id_idx";

-- DropIndex
DROP INDEX "usage_events_group_id_created_at_id_idx";

-- DropIndex
DROP INDEX "usage_events_api_key_id_created_at_id_idx";
