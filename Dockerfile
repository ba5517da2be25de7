# syntax=docker/dockerfile:1
# Three targets: control-plane (api, jobs and migrate by command), proxy, echo (the sample upstream).
# By digest, so that a build can be repeated; docs/deploy.md tells how to go over to another.
ARG NODE_IMAGE=docker.io/library/node:26.10.0-bookworm-slim@sha256:662933cf47f013bc8e4beb31a6116448427a82057ba7c42c97e4c5ba766504c2

FROM ${NODE_IMAGE} AS build
WORKDIR /src
# Dependencies first: this layer stays while only sources change.
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY apps/control-plane/package.json apps/control-plane/
COPY apps/proxy/package.json apps/proxy/
COPY apps/echo/package.json apps/echo/
COPY libs/contracts/package.json libs/contracts/
COPY libs/core/package.json libs/core/
COPY libs/errors/package.json libs/errors/
COPY libs/platform/package.json libs/platform/
COPY libs/testing/package.json libs/testing/
RUN npx --yes "$(node -p "require('./package.json').packageManager")" install --frozen-lockfile
COPY tsconfig.base.json prisma.config.ts ./
COPY scripts/schema-engine.mjs scripts/
COPY prisma prisma
COPY libs libs
COPY apps apps
RUN PRISMA_SCHEMA_ENGINE_BINARY=/src/scripts/schema-engine.mjs node node_modules/prisma/build/index.js generate \
 && node node_modules/typescript/bin/tsc -b apps/control-plane apps/proxy apps/echo
# Of swagger-ui-dist what openapi/docs.page.ts serves: the rest is other builds of the same and maps, 12 MB.
RUN pnpm="npx --yes $(node -p "require('./package.json').packageManager")" \
 && for app in control-plane proxy echo; do $pnpm --filter "@apigate/$app" deploy --prod --legacy "/out/$app"; done \
 && cp -r prisma/migrations /out/control-plane/migrations \
 && find /out/control-plane/node_modules/.pnpm/swagger-ui-dist@*/node_modules/swagger-ui-dist -type f \
      ! -name package.json ! -name swagger-ui.css ! -name swagger-ui-bundle.js ! -name 'LICENSE*' ! -name NOTICE -delete

# What every target has: no build tools, no root, nothing to write but what is mounted.
FROM ${NODE_IMAGE} AS runtime
ENV NODE_ENV=production NODE_OPTIONS=--enable-source-maps APIGATE_HOST=0.0.0.0
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn*
WORKDIR /app
USER 65532:65532

FROM runtime AS control-plane
COPY --from=build /out/control-plane /app
EXPOSE 8080 8081
CMD ["node", "dist/main.api.js"]

FROM runtime AS proxy
COPY --from=build /out/proxy /app
ENV APIGATE_DATA_DIR=/data
VOLUME /data
EXPOSE 8000 8001
CMD ["node", "dist/main.js"]

FROM runtime AS echo
COPY --from=build /out/echo /app
EXPOSE 8090
CMD ["node", "dist/main.js", "8090", "0.0.0.0"]
