-- Counts hits on counters, each for itself or all together.
-- KEYS are the counters. ARGV: "1" when they count together; the time in µs, or "0" for the server's; then six for each counter:
-- algorithm, hits (of gcra: what they take in µs; 0 looks, less gives back), limit (of gcra: tolerance in µs),
-- time to live in ms (fixed window) or period in µs (sliding window), effect, whether hits count that are denied.
-- Returns four numbers for each: 1 when denied; then the count, or the last window's count, this one's and the time since
-- it began, or what gcra has been promised from now on, in µs.
local together, now = ARGV[1] == '1', tonumber(ARGV[2])
if now == 0 then
	local time = redis.call('TIME')
	now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local function text(number) return string.format('%.0f', number) end

local read, add, giveBack, show = {}, {}, {}, {}

function read.f(c) c.count = tonumber(redis.call('GET', c.key) or '0'); return c.count + c.hits > c.limit end
function add.f(c)
	c.count = redis.call('INCRBY', c.key, text(c.hits))
	if c.count == c.hits then redis.call('PEXPIRE', c.key, text(c.span)) end
end
function giveBack.f(c)
	local after = math.max(0, math.min(c.count, c.limit) + c.hits)
	if after ~= c.count then redis.call('INCRBY', c.key, text(after - c.count)) end
	c.count = after
end
function show.f(c) return c.count, 0, 0 end

function read.s(c)
	local stored = redis.call('HMGET', c.key, 'window', 'count', 'last')
	local window, count = tonumber(stored[1] or '0'), tonumber(stored[2] or '0')
	c.window, c.count, c.last = math.floor(now / c.span), 0, 0
	if window >= c.window then -- greater where the server's clock went back
		c.window, c.count, c.last = window, count, tonumber(stored[3])
	elseif window == c.window - 1 then
		c.last = count
	end
	c.since = math.max(0, now - c.window * c.span)
	c.used = math.ceil(c.last * (c.span - c.since) / c.span) + c.count
	return c.used + c.hits > c.limit
end
local function keep(c)
	redis.call('HSET', c.key, 'window', text(c.window), 'count', text(c.count), 'last', text(c.last))
	redis.call('PEXPIRE', c.key, text(math.ceil((2 * c.span - c.since) / 1000)))
end
function add.s(c) c.count = c.count + c.hits; keep(c) end
function giveBack.s(c)
	if c.used == 0 then return end
	c.count = math.max(0, c.count - math.max(0, c.used - c.limit) + c.hits)
	keep(c)
end
function show.s(c) return c.last, c.count, c.since end

function read.g(c)
	c.arrival = math.max(now, tonumber(redis.call('GET', c.key) or '0'))
	return c.arrival + c.hits - now > c.limit
end
local function promise(c)
	redis.call('SET', c.key, text(c.arrival), 'PX', text(math.max(1, math.ceil((c.arrival - now) / 1000))))
end
function add.g(c) c.arrival = c.arrival + c.hits; promise(c) end
function giveBack.g(c)
	if c.arrival == now then return end
	c.arrival = math.max(now, math.min(c.arrival, now + c.limit) + c.hits)
	promise(c)
end
function show.g(c) return c.arrival - now, 0, 0 end

local counters, denied, spends, spent = {}, false, 0, 0
for i, key in ipairs(KEYS) do
	local at = 3 + (i - 1) * 6
	local c = {
		key = key, algorithm = ARGV[at], hits = tonumber(ARGV[at + 1]), limit = tonumber(ARGV[at + 2]), span = tonumber(ARGV[at + 3]),
		effect = ARGV[at + 4], countDenied = ARGV[at + 5] == '1',
	}
	local over = read[c.algorithm](c)
	c.over = over and c.hits >= 0
	if c.effect == 'd' then
		denied = denied or (c.over and c.hits > 0)
	elseif c.effect == 'q' then
		spends = spends + 1
		if c.over then spent = spent + 1 end
	end
	counters[i] = c
end
denied = denied or (spends > 0 and spends == spent)

local answer = {}
for _, c in ipairs(counters) do
	if c.hits < 0 then
		giveBack[c.algorithm](c)
	elseif c.hits > 0 and not (together and denied) and (c.countDenied or not c.over) then
		add[c.algorithm](c)
	end
	answer[#answer + 1] = c.over and 1 or 0
	for _, number in ipairs({ show[c.algorithm](c) }) do answer[#answer + 1] = number end
end
return answer
