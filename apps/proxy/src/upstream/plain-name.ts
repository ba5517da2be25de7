/** Servers behind CGI read all names with the same plain name as one: the strictest keep nothing but letters and digits. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}
