-- Upstreams of which webhooks were told that they are unhealthy, and not yet that they are healthy again.
CREATE TABLE "upstream_health" (
    "upstream_id" TEXT NOT NULL,
    "unhealthy_since" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "upstream_health_pkey" PRIMARY KEY ("upstream_id")
);
ALTER TABLE "upstream_health" ADD CONSTRAINT "upstream_health_upstream_id_fkey" FOREIGN KEY ("upstream_id") REFERENCES "upstreams"("id") ON DELETE CASCADE ON UPDATE CASCADE;
