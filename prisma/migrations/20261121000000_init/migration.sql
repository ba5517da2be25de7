-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "user_status" AS ENUM ('active', 'pending', 'suspended', 'cancelled');

-- CreateEnum
CREATE TYPE "user_role" AS ENUM ('customer', 'admin');

-- CreateEnum
CREATE TYPE "quota_mode" AS ENUM ('hard', 'soft', 'warn');

-- CreateEnum
CREATE TYPE "upstream_auth_type" AS ENUM ('none', 'bearer', 'header', 'basic');

-- CreateEnum
CREATE TYPE "host_match_type" AS ENUM ('exact', 'wildcard', 'regex');

-- CreateEnum
CREATE TYPE "path_match_type" AS ENUM ('exact', 'prefix', 'regex');

-- CreateEnum
CREATE TYPE "metering_mode" AS ENUM ('request', 'bytes', 'response_field', 'custom');

-- CreateEnum
CREATE TYPE "protocol" AS ENUM ('http', 'http_stream', 'sse', 'websocket');

-- CreateEnum
CREATE TYPE "group_status" AS ENUM ('active', 'suspended');

-- CreateEnum
CREATE TYPE "group_role" AS ENUM ('owner', 'admin', 'member');

-- CreateEnum
CREATE TYPE "delivery_status" AS ENUM ('pending', 'delivered', 'failed');

-- CreateTable
CREATE TABLE "plans" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "price_monthly" INTEGER NOT NULL DEFAULT 0,
    "overage_price" INTEGER NOT NULL DEFAULT 0,
    "requests_per_month" BIGINT NOT NULL DEFAULT 0,
    "rate_limit_per_minute" INTEGER NOT NULL DEFAULT 60,
    "burst" INTEGER,
    "quota_mode" "quota_mode" NOT NULL DEFAULT 'hard',
    "quota_grace_percent" INTEGER NOT NULL DEFAULT 0,
    "trial_days" INTEGER NOT NULL DEFAULT 0,
    "stripe_price_id" TEXT,
    "paddle_price_id" TEXT,
    "lemon_variant_id" TEXT,
    "is_default" BOOLEAN NOT NULL DEFAULT false,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "plans_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "users" (
    "id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL DEFAULT '',
    "status" "user_status" NOT NULL DEFAULT 'active',
    "role" "user_role" NOT NULL DEFAULT 'customer',
    "password_hash" TEXT,
    "plan_id" TEXT NOT NULL,
    "trial_ends_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL DEFAULT '',
    "prefix" TEXT NOT NULL,
    "digest" BYTEA NOT NULL,
    "user_id" TEXT,
    "group_id" TEXT,
    "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "expires_at" TIMESTAMPTZ(3),
    "last_used" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "rotated_from_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "upstreams" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "base_url" TEXT NOT NULL,
    "timeout_ms" INTEGER NOT NULL DEFAULT 30000,
    "max_idle_conns" INTEGER NOT NULL DEFAULT 100,
    "idle_conn_timeout_ms" INTEGER NOT NULL DEFAULT 90000,
    "auth_type" "upstream_auth_type" NOT NULL DEFAULT 'none',
    "auth_header" TEXT,
    "auth_value_sealed" TEXT,
    "targets" JSONB NOT NULL DEFAULT '[]',
    "health_check" JSONB,
    "retries" INTEGER NOT NULL DEFAULT 0,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "upstreams_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "routes" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "host_pattern" TEXT NOT NULL DEFAULT '',
    "host_match_type" "host_match_type",
    "path_pattern" TEXT NOT NULL,
    "match_type" "path_match_type" NOT NULL DEFAULT 'prefix',
    "methods" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "headers" JSONB NOT NULL DEFAULT '[]',
    "path_rewrite" TEXT,
    "method_override" TEXT,
    "metering_expr" TEXT,
    "metering_mode" "metering_mode" NOT NULL DEFAULT 'request',
    "protocol" "protocol" NOT NULL DEFAULT 'http',
    "priority" INTEGER NOT NULL DEFAULT 0,
    "auth_required" BOOLEAN NOT NULL DEFAULT true,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "request_transform" JSONB,
    "response_transform" JSONB,
    "upstream_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "routes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "groups" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "billing_email" TEXT,
    "status" "group_status" NOT NULL DEFAULT 'active',
    "owner_id" TEXT NOT NULL,
    "plan_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "groups_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "group_members" (
    "id" TEXT NOT NULL,
    "group_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "role" "group_role" NOT NULL DEFAULT 'member',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "group_members_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhooks" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "events" TEXT[],
    "description" TEXT NOT NULL DEFAULT '',
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "secret_sealed" TEXT NOT NULL,
    "previous_secret_sealed" TEXT,
    "previous_secret_until" TIMESTAMPTZ(3),
    "failing_since" TIMESTAMPTZ(3),
    "disabled_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhooks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_events" (
    "id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "dispatched_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_deliveries" (
    "id" TEXT NOT NULL,
    "webhook_id" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "status" "delivery_status" NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "last_status_code" INTEGER,
    "last_latency_ms" INTEGER,
    "last_response" TEXT,
    "last_error" TEXT,
    "next_attempt_at" TIMESTAMPTZ(3),
    "delivered_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "token_digest" BYTEA NOT NULL,
    "address" TEXT,
    "user_agent" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_events" (
    "id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor_type" TEXT NOT NULL,
    "actor_id" TEXT,
    "action" TEXT NOT NULL,
    "target_type" TEXT NOT NULL,
    "target_id" TEXT NOT NULL,
    "before" JSONB,
    "after" JSONB,
    "request_id" TEXT,
    "address" TEXT,
    "config_revision" BIGINT,

    CONSTRAINT "audit_events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "config_head" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "epoch" UUID NOT NULL,
    "revision" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "config_head_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "config_changes" (
    "revision" BIGINT NOT NULL,
    "epoch" UUID NOT NULL,
    "items" JSONB NOT NULL,
    "actor_type" TEXT NOT NULL,
    "actor_id" TEXT,
    "request_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "config_changes_pkey" PRIMARY KEY ("revision")
);

-- CreateTable
CREATE TABLE "config_snapshots" (
    "epoch" UUID NOT NULL,
    "revision" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "body" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "config_snapshots_pkey" PRIMARY KEY ("epoch","revision")
);

-- CreateTable
CREATE TABLE "usage_events" (
    "id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "user_id" TEXT,
    "group_id" TEXT,
    "api_key_id" TEXT,
    "plan_id" TEXT,
    "route_id" TEXT,
    "upstream_id" TEXT,
    "method" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "status_code" INTEGER NOT NULL,
    "latency_ms" INTEGER NOT NULL,
    "request_bytes" BIGINT NOT NULL,
    "response_bytes" BIGINT NOT NULL,
    "metered_units" BIGINT NOT NULL,
    "error_code" TEXT,
    "metering_error" TEXT,
    "request_id" TEXT NOT NULL,
    "config_revision" BIGINT NOT NULL,
    "client_ip" TEXT,

    CONSTRAINT "usage_events_pkey" PRIMARY KEY ("created_at","id")
) PARTITION BY RANGE ("created_at");

-- CreateTable
CREATE TABLE "usage_hourly" (
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "user_id" TEXT NOT NULL DEFAULT '',
    "group_id" TEXT NOT NULL DEFAULT '',
    "api_key_id" TEXT NOT NULL DEFAULT '',
    "route_id" TEXT NOT NULL DEFAULT '',
    "status_class" INTEGER NOT NULL,
    "requests" BIGINT NOT NULL,
    "metered_units" BIGINT NOT NULL,
    "request_bytes" BIGINT NOT NULL,
    "response_bytes" BIGINT NOT NULL,

    CONSTRAINT "usage_hourly_pkey" PRIMARY KEY ("hour","user_id","group_id","api_key_id","route_id","status_class")
);

-- CreateTable
CREATE TABLE "usage_daily" (
    "day" DATE NOT NULL,
    "user_id" TEXT NOT NULL DEFAULT '',
    "group_id" TEXT NOT NULL DEFAULT '',
    "api_key_id" TEXT NOT NULL DEFAULT '',
    "route_id" TEXT NOT NULL DEFAULT '',
    "status_class" INTEGER NOT NULL,
    "requests" BIGINT NOT NULL,
    "metered_units" BIGINT NOT NULL,
    "request_bytes" BIGINT NOT NULL,
    "response_bytes" BIGINT NOT NULL,

    CONSTRAINT "usage_daily_pkey" PRIMARY KEY ("day","user_id","group_id","api_key_id","route_id","status_class")
);

-- CreateTable
CREATE TABLE "usage_periods" (
    "owner_id" TEXT NOT NULL,
    "period" DATE NOT NULL,
    "requests" BIGINT NOT NULL DEFAULT 0,
    "metered_units" BIGINT NOT NULL DEFAULT 0,
    "overage_units" BIGINT NOT NULL DEFAULT 0,
    "threshold_sent" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_periods_pkey" PRIMARY KEY ("owner_id","period")
);

-- CreateTable
CREATE TABLE "usage_marks" (
    "worker" TEXT NOT NULL,
    "epoch" BIGINT NOT NULL,
    "seen" int8multirange NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_marks_pkey" PRIMARY KEY ("worker","epoch")
);

-- CreateIndex
CREATE UNIQUE INDEX "plans_name_key" ON "plans"("name");

-- CreateIndex
CREATE INDEX "plans_created_at_id_idx" ON "plans"("created_at", "id");

-- CreateIndex
CREATE INDEX "users_created_at_id_idx" ON "users"("created_at", "id");

-- CreateIndex
CREATE INDEX "users_plan_id_idx" ON "users"("plan_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_digest_key" ON "api_keys"("digest");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_rotated_from_id_key" ON "api_keys"("rotated_from_id");

-- CreateIndex
CREATE INDEX "api_keys_created_at_id_idx" ON "api_keys"("created_at", "id");

-- CreateIndex
CREATE INDEX "api_keys_user_id_created_at_id_idx" ON "api_keys"("user_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_keys_group_id_created_at_id_idx" ON "api_keys"("group_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "upstreams_created_at_id_idx" ON "upstreams"("created_at", "id");

-- CreateIndex
CREATE INDEX "routes_created_at_id_idx" ON "routes"("created_at", "id");

-- CreateIndex
CREATE INDEX "routes_upstream_id_idx" ON "routes"("upstream_id");

-- CreateIndex
CREATE UNIQUE INDEX "groups_slug_key" ON "groups"("slug");

-- CreateIndex
CREATE INDEX "groups_created_at_id_idx" ON "groups"("created_at", "id");

-- CreateIndex
CREATE INDEX "groups_owner_id_idx" ON "groups"("owner_id");

-- CreateIndex
CREATE INDEX "groups_plan_id_idx" ON "groups"("plan_id");

-- CreateIndex
CREATE INDEX "group_members_user_id_idx" ON "group_members"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "group_members_group_id_user_id_key" ON "group_members"("group_id", "user_id");

-- CreateIndex
CREATE INDEX "webhooks_created_at_id_idx" ON "webhooks"("created_at", "id");

-- CreateIndex
CREATE INDEX "webhook_events_dispatched_at_created_at_idx" ON "webhook_events"("dispatched_at", "created_at");

-- CreateIndex
CREATE INDEX "webhook_deliveries_webhook_id_created_at_id_idx" ON "webhook_deliveries"("webhook_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "webhook_deliveries_status_next_attempt_at_idx" ON "webhook_deliveries"("status", "next_attempt_at");

-- CreateIndex
CREATE UNIQUE INDEX "sessions_token_digest_key" ON "sessions"("token_digest");

-- CreateIndex
CREATE INDEX "sessions_user_id_idx" ON "sessions"("user_id");

-- CreateIndex
CREATE INDEX "sessions_expires_at_idx" ON "sessions"("expires_at");

-- CreateIndex
CREATE INDEX "audit_events_created_at_id_idx" ON "audit_events"("created_at", "id");

-- CreateIndex
CREATE INDEX "audit_events_target_type_target_id_created_at_idx" ON "audit_events"("target_type", "target_id", "created_at");

-- CreateIndex
CREATE INDEX "audit_events_config_revision_idx" ON "audit_events"("config_revision");

-- CreateIndex
CREATE INDEX "usage_events_user_id_created_at_id_idx" ON "usage_events"("user_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "usage_events_group_id_created_at_id_idx" ON "usage_events"("group_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "usage_events_api_key_id_created_at_id_idx" ON "usage_events"("api_key_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "usage_events_id_idx" ON "usage_events"("id");

-- CreateIndex
CREATE INDEX "usage_hourly_user_id_hour_idx" ON "usage_hourly"("user_id", "hour");

-- CreateIndex
CREATE INDEX "usage_hourly_group_id_hour_idx" ON "usage_hourly"("group_id", "hour");

-- CreateIndex
CREATE INDEX "usage_daily_user_id_day_idx" ON "usage_daily"("user_id", "day");

-- CreateIndex
CREATE INDEX "usage_daily_group_id_day_idx" ON "usage_daily"("group_id", "day");

-- AddForeignKey
ALTER TABLE "users" ADD CONSTRAINT "users_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_rotated_from_id_fkey" FOREIGN KEY ("rotated_from_id") REFERENCES "api_keys"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "routes" ADD CONSTRAINT "routes_upstream_id_fkey" FOREIGN KEY ("upstream_id") REFERENCES "upstreams"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "groups" ADD CONSTRAINT "groups_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "groups" ADD CONSTRAINT "groups_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "group_members" ADD CONSTRAINT "group_members_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "group_members" ADD CONSTRAINT "group_members_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_webhook_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "webhooks"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_event_id_fkey" FOREIGN KEY ("event_id") REFERENCES "webhook_events"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What the schema language cannot say.

-- CreateIndex: one account an address, without regard to case
CREATE UNIQUE INDEX "users_email_key" ON "users"(lower("email"));

-- CreateIndex: at most one default plan
CREATE UNIQUE INDEX "plans_one_default" ON "plans"("is_default") WHERE "is_default";

-- CreateIndex: at most one owner a group
CREATE UNIQUE INDEX "group_members_one_owner" ON "group_members"("group_id") WHERE "role" = 'owner';

-- A key has one owner, or scopes and none.
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_owner_check"
  CHECK (num_nonnulls("user_id", "group_id") = 1 OR (num_nonnulls("user_id", "group_id") = 0 AND cardinality("scopes") > 0));
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_digest_check" CHECK (octet_length("digest") = 32);

ALTER TABLE "plans" ADD CONSTRAINT "plans_amounts_check" CHECK (
  "price_monthly" >= 0 AND "overage_price" >= 0 AND "requests_per_month" >= 0 AND "rate_limit_per_minute" >= 0
  AND ("burst" IS NULL OR "burst" >= 0) AND "quota_grace_percent" >= 0 AND "trial_days" >= 0);

ALTER TABLE "config_head" ADD CONSTRAINT "config_head_single_row" CHECK ("id" = 1);
INSERT INTO "config_head" ("id", "epoch", "revision") VALUES (1, gen_random_uuid(), 0);

-- Months of the ledger. The default partition catches events of a worker whose clock is far off, so that they are kept.
CREATE TABLE "usage_events_default" PARTITION OF "usage_events" DEFAULT;

-- Makes the partitions of the month of "around" and of the given number of months after it; safe to repeat. Events of
-- such a month that wait in the default partition move over. A partition is made apart and attached, because that lets
-- inserts go on.
CREATE FUNCTION apigate_ensure_usage_partitions(around timestamptz, ahead integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  month timestamp;
  name text;
  month_start timestamptz;
  month_end timestamptz;
BEGIN
  FOR n IN 0..ahead LOOP
    month := date_trunc('month', around AT TIME ZONE 'UTC') + make_interval(months => n);
    name := 'usage_events_' || to_char(month, 'YYYY_MM');
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    month_start := month AT TIME ZONE 'UTC';
    month_end := (month + interval '1 month') AT TIME ZONE 'UTC';
    EXECUTE format('CREATE TABLE %I (LIKE usage_events INCLUDING ALL)', name);
    LOCK TABLE usage_events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format(
      'WITH moved AS (DELETE FROM usage_events_default WHERE created_at >= $1 AND created_at < $2 RETURNING *) '
      'INSERT INTO %I SELECT * FROM moved', name) USING month_start, month_end;
    EXECUTE format('ALTER TABLE usage_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, month_start, month_end);
  END LOOP;
END $$;
SELECT apigate_ensure_usage_partitions(now(), 2);
