import { slugMax } from './groups.input.ts'

/** A slug from a name: letters without their accents in lower case, digits, and "-" for whatever is between. */
export function slugOf(name: string): string {
  const plain = name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase()
  const slug = plain
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, slugMax - suffixMax)
  return slug.replace(/-$/, '') || 'group'
}

/** Room for the number that tells apart the slugs of groups with one name. */
const suffixMax = 8

/** The slug, or the first of `slug-2`, `slug-3` … that is not taken. */
export function freeSlug(slug: string, taken: ReadonlySet<string>): string {
  if (!taken.has(slug)) return slug
  let number = 2
  while (taken.has(`${slug}-${number}`)) number++
  return `${slug}-${number}`
}
