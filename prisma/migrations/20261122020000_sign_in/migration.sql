-- AlterTable: a session that ends is deleted.
ALTER TABLE "sessions" DROP COLUMN "ended_at";

-- CreateTable
CREATE TABLE "sign_in_counts" (
    "subject" BYTEA NOT NULL,
    "attempts" INTEGER NOT NULL,
    "resets_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "sign_in_counts_pkey" PRIMARY KEY ("subject")
);

-- CreateIndex
CREATE INDEX "sign_in_counts_resets_at_idx" ON "sign_in_counts"("resets_at");

-- There are few; whether there is one is asked without credentials.
CREATE INDEX "users_admins_idx" ON "users"("id") WHERE "role" = 'admin';
