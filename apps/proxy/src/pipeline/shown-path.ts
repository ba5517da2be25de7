/** Of a target as it came: neither query nor fragment nor user information, which clients put secrets into. */
export function shownPath(url: string): string {
  const end = url.search(/[?#]/)
  const path = end === -1 ? url : url.slice(0, end)
  return path.startsWith('/') ? path : path.replace(/^([a-z][a-z\d+.-]*:\/\/)?[^/]*@/i, '$1')
}
