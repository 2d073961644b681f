-- Finds a unit's place among 10,000 and leaves it in a header by which the route picks the variant.
--
-- The place is the first 48 bits of HMAC-SHA-256(key, salt NUL unit) as a fraction: doubles hold 48 bits exactly,
-- so applications that compute it by themselves come to the same place. What to hash stands in the route's
-- metadata, one line each: where the unit is (header or cookie), its name, the key in hexadecimal, the salt.

local bit = require("bit")
local band, bxor, bnot, ror, rshift, tobit = bit.band, bit.bxor, bit.bnot, bit.ror, bit.rshift, bit.tobit
local byte, char, rep = string.byte, string.char, string.rep

local START = {
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}
local ROUND = {}

-- The round constants are the first 32 bits of the fractions of the cube roots of the first 64 primes. A double
-- has 53 bits: the largest root, of 311, needs 3 for its whole part and 32 for the fraction.
local function prime(n)
  for d = 2, math.floor(math.sqrt(n)) do
    if n % d == 0 then return false end
  end
  return true
end

local candidate = 2
while #ROUND < 64 do
  if prime(candidate) then
    local root = candidate ^ (1 / 3)
    root = root - (root * root * root - candidate) / (3 * root * root)
    ROUND[#ROUND + 1] = tobit(math.floor((root % 1) * 2 ^ 32))
  end
  candidate = candidate + 1
end

local w = {}

-- One block of 16 words in w: the state after it, from the state h before it.
local function compress(h)
  for i = 17, 64 do
    local a, b = w[i - 15], w[i - 2]
    local s = bxor(ror(a, 7), ror(a, 18), rshift(a, 3))
    local t = bxor(ror(b, 17), ror(b, 19), rshift(b, 10))
    w[i] = tobit(w[i - 16] + s + w[i - 7] + t)
  end
  local a, b, c, d, e, f, g, k = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
  for i = 1, 64 do
    local s = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t = tobit(k + s + bxor(band(e, f), band(bnot(e), g)) + ROUND[i] + w[i])
    local u = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
    k, g, f, e, d, c, b, a = g, f, e, tobit(d + t), c, b, a, tobit(t + u)
  end
  return {
    tobit(h[1] + a), tobit(h[2] + b), tobit(h[3] + c), tobit(h[4] + d),
    tobit(h[5] + e), tobit(h[6] + f), tobit(h[7] + g), tobit(h[8] + k),
  }
end

local function absorb(h, text)
  for at = 1, #text, 64 do
    for i = 1, 16 do
      local p, q, r, s = byte(text, at + 4 * i - 4, at + 4 * i - 1)
      w[i] = tobit(p * 16777216 + q * 65536 + r * 256 + s)
    end
    h = compress(h)
  end
  return h
end

-- The state after the key's block, its bytes mixed with a filler.
local function keyed(key, filler)
  local block = {}
  for i = 1, 64 do
    block[i] = char(bxor(byte(key, i) or 0, filler))
  end
  return absorb(START, table.concat(block))
end

-- Place of salt NUL unit, 0 to 9999. Both pads' states come ready: a short unit costs two blocks.
local function place(spec, unit)
  local text = spec.salt .. "\0" .. unit
  local bits = (64 + #text) * 8
  local zeros = (55 - #text) % 64
  local length = char(0, 0, 0, 0, rshift(bits, 24) % 256, rshift(bits, 16) % 256, rshift(bits, 8) % 256, bits % 256)
  local inner = absorb(spec.inner, text .. "\128" .. rep("\0", zeros) .. length)
  for i = 1, 8 do
    w[i] = inner[i]
  end
  w[9] = tobit(0x80000000)
  for i = 10, 15 do
    w[i] = 0
  end
  w[16] = (64 + 32) * 8
  local h = compress(spec.outer)
  return math.floor(((h[1] % 2 ^ 32) * 65536 + rshift(h[2], 16)) / 2 ^ 48 * 10000)
end

local known, many = {}, 0

-- What a route's metadata say, read once.
local function parsed(text)
  local spec = known[text]
  if spec == nil then
    local from, name, hex, salt = text:match("^(%a+)\n([^\n]+)\n(%x+)\n([^\n]*)$")
    local key = hex:gsub("%x%x", function(pair) return char(tonumber(pair, 16)) end)
    spec = { from = from, name = name, salt = salt, inner = keyed(key, 0x36), outer = keyed(key, 0x5c) }
    if many >= 10000 then
      known, many = {}, 0
    end
    known[text], many = spec, many + 1
  end
  return spec
end

local function cookie(headers, wanted)
  for name, value in (headers:get("cookie") or ""):gmatch("([^=;%s]+)=([^;]*)") do
    if name == wanted and value ~= "" then
      return value
    end
  end
end

function envoy_on_request(handle)
  local text = handle:metadata():get("place")
  if text == nil then
    return
  end
  local spec, headers = parsed(text), handle:headers()
  local unit = spec.from == "cookie" and cookie(headers, spec.name) or headers:get(spec.name)
  if unit ~= nil and unit ~= "" then
    headers:replace("x-releasectl-place", tostring(place(spec, unit)))
    handle:clearRouteCache()
  end
end
