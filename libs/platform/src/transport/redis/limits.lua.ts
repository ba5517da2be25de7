/**
 * The shared end of limits in Redis: the arithmetic of `shared-bucket.ts` and `shared-quota.ts` of core on Redis's own
 * clock; a test holds the two together. Numbers are whole and below 2^53, which Lua's doubles hold; `%.0f` writes them.
 *
 * A bucket that is full is as good as none, so it ends when it must be full. A month's count ends when nobody has asked
 * for an hour: the ledger knows it by then.
 */
export const exchangeScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = 0
local function num() at = at + 1 return tonumber(ARGV[at]) end
local function text(n) return string.format('%.0f', n) end

local hasKey, capacity, rate, spentAgo, debt, take, ahead, reports = num(), num(), num(), num(), num(), num(), num(), num()
local told = {}
for i = 1, reports do told[i] = {num(), num(), num()} end
local hasQuota, limit, give, unitsTake, unitsAhead = num(), num(), num(), num(), num()
local share, windowMs, token = 4, 2000, 60000

local state, unitsTaken, unitsLeased, count, born = 0, 0, 0, 0, 0
if hasQuota == 1 then
  local held = redis.call('HMGET', KEYS[2], 'count', 'born', 'asked')
  if now - tonumber(held[3] or 0) > (held[1] and 10000 or 1000) then
    -- The ledger is asked for a missing count, and now and then whether it has more than is counted here.
    if redis.call('LLEN', KEYS[3]) < 100000 then redis.call('RPUSH', KEYS[3], ARGV[at + 1]) end
    redis.call('HSET', KEYS[2], 'asked', text(now))
    redis.call('PEXPIRE', KEYS[2], 3600000)
  end
  if held[1] then
    state, born = 1, tonumber(held[2])
    count = tonumber(held[1]) - give
    if limit < 0 then
      unitsTaken = unitsTake
    else
      local left = math.max(0, limit - count)
      unitsTaken = math.min(unitsTake, left)
      unitsLeased = math.min(unitsAhead, math.floor((left - unitsTaken) / share))
    end
    count = count + unitsTaken + unitsLeased
    redis.call('HSET', KEYS[2], 'count', text(count))
    redis.call('PEXPIRE', KEYS[2], 3600000)
  else
    state = 2
  end
  if unitsTake > 0 and unitsTaken == 0 then take, ahead = 0, 0 end
end

local taken, leased, window, level = 0, 0, 0, 0
if hasKey == 1 then
  local full = capacity * token
  local held = redis.call('HMGET', KEYS[1], 'level', 'at', 'window', 'out', 'before')
  local out, before, from
  if held[1] then
    level, from, window, out, before = tonumber(held[1]), tonumber(held[2]), tonumber(held[3]), tonumber(held[4]), tonumber(held[5])
  else
    level, from, window, out, before = full, now, math.floor(now / windowMs), 0, 0
  end
  local latest = math.max(from, now)
  local elapsed = latest - from
  local since = math.min(spentAgo, elapsed)
  local function refill(ms)
    level = math.max(0, math.min((capacity - out - before) * token, level + ms * rate))
  end
  refill(elapsed - since)
  local newest = math.floor(latest / windowMs)
  for i = 1, reports do
    local w, spent, unspent = told[i][1], told[i][2], told[i][3]
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
  taken = math.min(take, whole)
  leased = math.min(ahead, math.floor((whole - taken) / share))
  level = level - (taken + leased) * token
  out = out + leased
  redis.call('HSET', KEYS[1], 'level', text(level), 'at', text(latest), 'window', text(window), 'out', text(out), 'before', text(before))
  redis.call('PEXPIRE', KEYS[1], text(math.ceil(math.max(0, full - level) / rate) + 3 * windowMs))
end
return {taken, leased, window, level, state, unitsTaken, unitsLeased, count, born}
`

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
