/** Servers behind CGI read all names with the same plain name as one. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}
