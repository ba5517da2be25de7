/**
 * The shared end of limits in Redis: the arithmetic of `shared-bucket.ts` and `shared-quota.ts` of core on Redis's own
 * clock; a test holds the two together. Numbers are whole and below 2^53, which Lua's doubles hold; `%.0f` writes them, and
 * `cjson` would not. One call carries all that a worker asks in a turn, in their order: `KEYS` are the list of months to count,
 * then bucket and month of each; `ARGV[1]` is a list of `LimitArguments`, and so is the answer of `LimitResults`.
 *
 * A bucket that is full is as good as none, so it ends when it must be full. A month's count ends when nobody has asked
 * for an hour: the ledger knows it by then.
 */
export const exchangeScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local share, windowMs, token = 8, 4000, 60000
local function text(n) return string.format('%.0f', n) end

local function units(key, ask)
  local period, limit, give, take, ahead = unpack(ask)
  local held = redis.call('HMGET', key, 'count', 'born', 'asked')
  if now - tonumber(held[3] or 0) > (held[1] and 10000 or 1000) then
    -- The ledger is asked for a missing count, and now and then whether it has more than is counted here.
    if redis.call('LLEN', KEYS[1]) < 100000 then redis.call('RPUSH', KEYS[1], period) end
    redis.call('HSET', key, 'asked', text(now))
    redis.call('PEXPIRE', key, 3600000)
  end
  if not held[1] then return 2, 0, 0, 0, 0 end
  local count, taken, leased = tonumber(held[1]) - give, take, 0
  if limit >= 0 then
    local left = math.max(0, limit - count)
    taken = math.min(take, left)
    leased = math.min(ahead, math.floor((left - taken) / share))
  end
  count = count + taken + leased
  redis.call('HSET', key, 'count', text(count))
  redis.call('PEXPIRE', key, 3600000)
  return 1, taken, leased, count, tonumber(held[2])
end

local function tokens(key, ask, isRefused)
  local capacity, rate, spentAgo, debt, take, ahead = unpack(ask)
  if isRefused then take, ahead = 0, 0 end
  local full = capacity * token
  local held = redis.call('HMGET', key, 'level', 'at', 'window', 'out', 'before')
  local level, from, window, out, before = full, now, math.floor(now / windowMs), 0, 0
  if held[1] then
    level, from, window, out, before = tonumber(held[1]), tonumber(held[2]), tonumber(held[3]), tonumber(held[4]), tonumber(held[5])
  end
  local latest = math.max(from, now)
  local elapsed = latest - from
  local newest = math.floor(latest / windowMs)
  -- Numbered by a worker of before, whose windows were shorter: such a one would never be over.
  if window > newest then window, out, before = newest, 0, 0 end
  local since = math.min(spentAgo, elapsed)
  local function refill(ms)
    level = math.max(0, math.min((capacity - out - before) * token, level + ms * rate))
  end
  refill(elapsed - since)
  for i = 7, #ask, 3 do
    local w, spent, unspent = ask[i], ask[i + 1], ask[i + 2]
    if w >= newest - 1 and (w == window or w == window - 1) then
      local isNewest = w == window
      local ended = math.min(isNewest and out or before, spent + unspent)
      level = level + math.min(unspent, ended) * token
      if isNewest then out = out - ended else before = before - ended end
    end
  end
  refill(since)
  if newest > window then
    before = newest == window + 1 and out or 0
    out = 0
    window = newest
  end
  level = math.max(0, level - math.floor(debt))
  local whole = math.floor(level / token)
  local taken = math.min(take, whole)
  local leased = math.min(ahead, math.floor((whole - taken) / share))
  level = level - (taken + leased) * token
  out = out + leased
  redis.call('HSET', key, 'level', text(level), 'at', text(latest), 'window', text(window), 'out', text(out), 'before', text(before))
  redis.call('PEXPIRE', key, text(math.ceil(math.max(0, full - level) / rate) + 3 * windowMs))
  return taken, leased, window, level
end

local results = {}
for i, ask in ipairs(cjson.decode(ARGV[1])) do
  local state, unitsTaken, unitsLeased, count, born = 0, 0, 0, 0, 0
  if #ask[2] > 0 then state, unitsTaken, unitsLeased, count, born = units(KEYS[2 * i + 1], ask[2]) end
  local taken, leased, window, level = 0, 0, 0, 0
  if #ask[1] > 0 then
    local isRefused = state > 0 and ask[2][4] > 0 and unitsTaken == 0
    taken, leased, window, level = tokens(KEYS[2 * i], ask[1], isRefused)
  end
  results[i] = string.format('[%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f]',
    taken, leased, window, level, state, unitsTaken, unitsLeased, count, born)
end
return '[' .. table.concat(results, ',') .. ']'
`

/** For the key's bucket and the owner's month; empty where nothing is asked. */
export type LimitArguments = readonly [
  tokens: readonly number[],
  units: readonly [] | readonly [period: string, limit: number, give: number, take: number, ahead: number],
]

/** `state` is 0 where no units were asked for, 1 where there is a count, and 2 where there is none yet. */
export type LimitResults = readonly [
  ...rate: [taken: number, leased: number, window: number, level: number],
  ...quota: [state: number, taken: number, leased: number, count: number, bornMs: number],
]

/** Makes a month's count from the ledger's, or raises it to that: what is in the ledger was certainly used. */
export const seedScript = `
local units = tonumber(ARGV[1])
local count = redis.call('HGET', KEYS[1], 'count')
if not count then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'count', ARGV[1], 'born', time[1] .. string.format('%03d', math.floor(time[2] / 1000)))
elseif tonumber(count) < units then
  redis.call('HSET', KEYS[1], 'count', ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], 3600000)
`

/** Adds units to a month's count where there is one; where not, the ledger will be asked. */
export const addScript = `
if redis.call('HEXISTS', KEYS[1], 'count') == 1 then redis.call('HINCRBY', KEYS[1], 'count', ARGV[1]) end
`
