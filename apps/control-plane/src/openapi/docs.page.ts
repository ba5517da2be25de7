import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/** The page at `/docs`: Swagger UI over `/openapi.json`, with every file from this process. */

const packageDir = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

/** The package's other files are other builds of the same, and their maps; the image leaves them out. */
const packageFiles = { 'swagger-ui.css': 'text/css', 'swagger-ui-bundle.js': 'text/javascript' } as const

export const docsPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>APIGate admin API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="api"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

// No validator: it would be a badge from elsewhere. Closed sections and no list of schemas: a browser draws hundreds slowly.
const start = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'none',
  defaultModelsExpandDepth: -1,
  filter: true,
  operationsSorter: 'alpha',
  persistAuthorization: false,
  validatorUrl: null,
})
`

/** Swagger UI sets styles from its script, and draws some of its icons from data URLs in its style sheet. */
export const docsPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** A file of the page; undefined when there is none of that name. */
export function docsFile(name: string): { type: string; body: string } | undefined {
  if (name === 'start.js') return { type: 'text/javascript', body: start }
  if (!Object.hasOwn(packageFiles, name)) return undefined
  const type = packageFiles[name as keyof typeof packageFiles]
  return { type, body: readFileSync(path.join(packageDir, name), 'utf8') }
}
