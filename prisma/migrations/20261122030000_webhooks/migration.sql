-- The outbox: an event comes with its deliveries, so nothing is left to dispatch.
DROP INDEX "webhook_events_dispatched_at_created_at_idx";
ALTER TABLE "webhook_events" DROP COLUMN "dispatched_at";
CREATE INDEX "webhook_events_created_at_idx" ON "webhook_events"("created_at");

ALTER TABLE "webhook_deliveries"
  ADD COLUMN "event_type" TEXT NOT NULL DEFAULT '',
  ADD COLUMN "lease" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "leased_until" TIMESTAMPTZ(3);
ALTER TABLE "webhook_deliveries" ALTER COLUMN "event_type" DROP DEFAULT;
DROP INDEX "webhook_deliveries_status_next_attempt_at_idx";
CREATE UNIQUE INDEX "webhook_deliveries_event_id_webhook_id_key" ON "webhook_deliveries"("event_id", "webhook_id");
CREATE INDEX "webhook_deliveries_created_at_id_idx" ON "webhook_deliveries"("created_at", "id");

-- What the schema language cannot say: what is due by webhook, and what a sender has.
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries"("webhook_id", "next_attempt_at", "id") WHERE "status" = 'pending';
CREATE INDEX "webhook_deliveries_leased" ON "webhook_deliveries"("webhook_id") WHERE "leased_until" IS NOT NULL;

-- Keys that expired before this version are not news.
ALTER TABLE "api_keys" ADD COLUMN "expiry_noted_at" TIMESTAMPTZ(3);
UPDATE "api_keys" SET "expiry_noted_at" = "expires_at" WHERE "expires_at" <= now();
CREATE INDEX "api_keys_expiring" ON "api_keys"("expires_at")
  WHERE "expires_at" IS NOT NULL AND "expiry_noted_at" IS DISTINCT FROM "expires_at";

-- The audit trail is searched by actor, action, target and request.
CREATE INDEX "audit_events_actor_id_created_at_id_idx" ON "audit_events"("actor_id", "created_at", "id");
CREATE INDEX "audit_events_action_created_at_id_idx" ON "audit_events"("action", "created_at", "id");
CREATE INDEX "audit_events_target_id_created_at_id_idx" ON "audit_events"("target_id", "created_at", "id");
CREATE INDEX "audit_events_request_id_idx" ON "audit_events"("request_id");
