-- Replays requests that were written and signed beforehand:
--
--     wrk -t N -c N -s replay.lua URL -- FILE ROUNDS RATE
--
-- Each thread has one connection and its own requests, FILE.0 to FILE.N-1: whole HTTP requests, each
-- ended by a zero byte. They are sent in order, and none before the one ahead of it was answered, as
-- the provider does within a call. ROUNDS is how often a thread goes through its file (0: again and
-- again). With a RATE (requests a second of one thread, 0 for none) each request has its moment and
-- leaves then, or as soon as the answer ahead has come; FILE.i.times gets the milliseconds from that
-- moment to its answer, so that waiting for a slow answer ahead is counted too.

local ffi = require("ffi")
ffi.cdef [[
typedef struct { long seconds; long nanoseconds; } moment;
int clock_gettime(int clock, moment *now);
]]
local MONOTONIC = 1
local now_is = ffi.new("moment")

local function now()
    ffi.C.clock_gettime(MONOTONIC, now_is)
    return tonumber(now_is.seconds) + tonumber(now_is.nanoseconds) / 1e9
end

local requests, known, last, due = {}, 0, 0, 0
local threads = {}
-- Globals, for the main thread reads these moments at the end.
began, ended = 0, 0
local sent, shown = 0, false

function setup(thread)
    thread:set("number", #threads)
    threads[#threads + 1] = thread
end

local function paced(rate, count, name)
    local times, interval = {}, 1 / rate
    delay = function()
        if began == 0 then
            -- Threads begin one after the other, not all at once.
            began = now() + interval * number / count
        end
        due = began + sent * interval
        return math.max(0, math.ceil((due - now()) * 1000))
    end
    response = function()
        times[#times + 1] = string.format("%.3f", (now() - due) * 1000)
        if sent == last then
            local file = assert(io.open(name .. ".times", "w"))
            file:write(table.concat(times, "\n"), "\n")
            file:close()
        end
    end
end

function init(arguments)
    local name = arguments[1] .. "." .. number
    local file = assert(io.open(name, "rb"))
    for text in file:read("*a"):gmatch("([^%z]+)") do
        known = known + 1
        requests[known] = text
    end
    file:close()
    last = known * tonumber(arguments[2])
    if tonumber(arguments[3]) > 0 then
        paced(tonumber(arguments[3]), tonumber(arguments[4]), name)
    end
end

function request()
    if number == 0 and not shown then
        -- wrk looks at one request of the first thread before it begins, and sends it to nobody.
        shown = true
        return requests[1]
    end
    if began == 0 then
        began = now()
    end
    if last > 0 and sent == last then
        ended = now()
        wrk.thread:stop()
        return ""
    end
    sent = sent + 1
    return requests[(sent - 1) % known + 1]
end

function done(summary, latency, _)
    local errors, first, final = summary.errors, math.huge, 0
    local out = 0
    for _, thread in ipairs(threads) do
        first = math.min(first, thread:get("began"))
        if thread:get("ended") > 0 then
            out = out + 1
            final = math.max(final, thread:get("ended"))
        end
    end
    if out < #threads then
        final = now()
    end
    io.stderr:write(string.format(
        '{"answers": %d, "seconds": %.6f, "finished": %d, "bad_status": %d, "broken": %d}\n',
        summary.requests, final - first, out, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
