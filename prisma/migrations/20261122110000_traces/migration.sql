-- The trace that an exchange belongs to, and the one of the write that made a change.
ALTER TABLE "usage_events" ADD COLUMN "trace_id" TEXT;
ALTER TABLE "config_changes" ADD COLUMN "traceparent" TEXT;
