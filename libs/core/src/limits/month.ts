const dayMs = 86_400_000

/** Start of the UTC calendar month that holds `nowMs`. Unix milliseconds. */
export function monthStartMs(nowMs: number): number {
  const { year, month } = monthOf(nowMs)
  return daysBefore(year, month) * dayMs
}

/** Start of the UTC calendar month after it. */
export function nextMonthStartMs(nowMs: number): number {
  const { year, month } = monthOf(nowMs)
  return (month === 12 ? daysBefore(year + 1, 1) : daysBefore(year, month + 1)) * dayMs
}

/** Days from 1970-01-01 to the first of a month, Gregorian (H. Hinnant, "chrono-compatible low-level date algorithms"). */
function daysBefore(year: number, month: number): number {
  // Years begin in March here, so that the leap day comes last.
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5)
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

function monthOf(nowMs: number): { year: number; month: number } {
  const days = Math.floor(nowMs / dayMs) + 719_468
  const era = Math.floor(days / 146_097)
  const dayOfEra = days - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month }
}
