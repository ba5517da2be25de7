-- The plan's units when the period was last counted, and the threshold (percent) that webhooks were told of: the ledger
-- sets threshold_sent, and what is above threshold_raised is still to be told.
ALTER TABLE "usage_periods"
  ADD COLUMN "quota" BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN "threshold_raised" INTEGER NOT NULL DEFAULT 0;
CREATE INDEX "usage_periods_to_raise" ON "usage_periods"("owner_id", "period") WHERE "threshold_sent" > "threshold_raised";

-- CreateTable
CREATE TABLE "usage_refused" (
    "worker" TEXT NOT NULL,
    "epoch" BIGINT NOT NULL,
    "seq" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "event" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_refused_pkey" PRIMARY KEY ("worker","epoch","seq")
);

-- CreateTable
CREATE TABLE "usage_metered" (
    "id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "usage_metered_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "usage_metered_created_at_idx" ON "usage_metered"("created_at");
