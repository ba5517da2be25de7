/**
 * The path of an upstream's base URL (`''`, `/`, `/api`, `/api/`) followed by a path that starts with `/`, with one
 * slash between them.
 */
export function joinUpstreamPath(basePath: string, path: string): string {
  return basePath.endsWith('/') ? basePath.slice(0, -1) + path : basePath + path
}
