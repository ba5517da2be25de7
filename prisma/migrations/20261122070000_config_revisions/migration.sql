-- CreateTable
CREATE TABLE "config_revisions" (
    "id" TEXT NOT NULL,
    "revision" BIGINT NOT NULL,
    "actor_type" TEXT NOT NULL,
    "actor_id" TEXT,
    "request_id" TEXT,
    "touched" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "config_revisions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "config_versions" (
    "kind" TEXT NOT NULL,
    "target_id" TEXT NOT NULL,
    "revision" BIGINT NOT NULL,
    "row" JSONB,

    CONSTRAINT "config_versions_pkey" PRIMARY KEY ("kind","target_id","revision")
);

-- CreateIndex
CREATE UNIQUE INDEX "config_revisions_revision_key" ON "config_revisions"("revision");

-- CreateIndex
CREATE INDEX "config_revisions_created_at_id_idx" ON "config_revisions"("created_at", "id");

-- CreateIndex
CREATE INDEX "config_versions_revision_idx" ON "config_versions"("revision");

-- The history begins with what is there.
INSERT INTO "config_revisions" ("id", "revision", "actor_type", "touched")
SELECT "revision"::text, "revision", 'system', '{}' FROM "config_head" WHERE "revision" > 0;

INSERT INTO "config_versions" ("kind", "target_id", "revision", "row")
SELECT v."kind", v."id", h."revision", v."row" FROM "config_head" h CROSS JOIN (
    SELECT 'plan' AS "kind", p."id", to_jsonb(p) AS "row" FROM "plans" p
    UNION ALL SELECT 'upstream', u."id", to_jsonb(u) FROM "upstreams" u
    UNION ALL SELECT 'route', r."id", to_jsonb(r) FROM "routes" r
) v;
