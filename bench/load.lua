-- The load. With `submit` every request is a rating of a dossier not rated before; with `get` each
-- is the same GET, and with `check` its answer is that nothing has changed. Numbers of dossiers
-- become codes and agencies as in scene.py.

local ffi = require("ffi")
ffi.cdef("typedef struct { long sec; long nsec; } bench_time; int clock_gettime(int, bench_time *);")

local MONOTONIC, NEVER = 1, 24 * 3600 * 1000
local CHANNELS = { "tablet", "portal", "mobile", "e_office", "post", "email", "sms" }
local STATUS = { submit = 201, get = 200, check = 304 }
local threads = {}
local spec, time = {}, ffi.new("bench_time")

sent, answered, bad, number, first_at, last_at, sample = 0, 0, 0, 0, 0, 0, ""

local function now()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.sec) + tonumber(time.nsec) / 1e9
end

local function rating()
  local place = math.floor(number / spec.agencies)
  local answers = {}
  for question = 1, spec.questions do
    answers[question] = string.format('"q%d":"%d"', question, 5 - math.floor(math.random() ^ 2 * 5))
  end
  return string.format(
    '{"agency":"H99.%02d","survey":"standing","dossier":"000.00.%02d.H99-2601%02d-%05d",'
      .. '"channel":"%s","counter":"Q%02d","answers":{%s}}',
    number % spec.agencies + 1,
    number % spec.agencies + 1,
    math.floor(place / 100000) + 1,
    place % 100000,
    CHANNELS[math.random(#CHANNELS)],
    math.random(spec.counters),
    table.concat(answers, ",")
  )
end

function setup(thread)
  thread:set("place", #threads)
  table.insert(threads, thread)
end

function init(args)
  spec = {
    kind = args[1],
    seconds = tonumber(args[2]),
    step = tonumber(args[3]),
    agencies = tonumber(args[5]),
    counters = tonumber(args[6]),
    questions = tonumber(args[7]),
  }
  spec.status = STATUS[spec.kind]
  number = tonumber(args[4]) + place - spec.step
  math.randomseed(number + os.time())
end

-- When the time is over a connection waits instead of asking on, so that the run ends with every
-- answer received and what was counted here can be compared with what is stored.
function delay()
  return first_at > 0 and now() - first_at >= spec.seconds and NEVER or 0
end

function request()
  if not verified and place == 0 then
    verified = true -- wrk asks once more than it sends, to see what a request looks like
    return wrk.format()
  end
  sent = sent + 1
  if first_at == 0 then
    first_at = now()
  end
  if spec.kind ~= "submit" then
    return wrk.format()
  end
  number = number + spec.step
  return wrk.format("POST", nil, nil, rating())
end

function response(status, _, body)
  last_at = now()
  if status == spec.status then
    answered = answered + 1
  else
    bad = bad + 1
    sample = status .. " " .. body:sub(1, 300)
  end
end

function done(summary, latency)
  local total = { sent = 0, answered = 0, bad = 0, number = 0, first_at = math.huge, last_at = 0 }
  for _, thread in ipairs(threads) do
    for _, name in ipairs({ "sent", "answered", "bad" }) do
      total[name] = total[name] + thread:get(name)
    end
    total.number = math.max(total.number, thread:get("number"))
    total.first_at = math.min(total.first_at, thread:get("first_at"))
    total.last_at = math.max(total.last_at, thread:get("last_at"))
    if thread:get("sample") ~= "" then
      print("SAMPLE " .. thread:get("sample"))
    end
  end
  local e = summary.errors
  print(string.format(
    'RESULT {"sent":%d,"answered":%d,"bad":%d,"errors":%d,"number":%d,"seconds":%.6f,'
      .. '"p50":%.3f,"p99":%.3f}',
    total.sent, total.answered, total.bad, e.connect + e.read + e.write + e.timeout, total.number,
    total.last_at - total.first_at, latency:percentile(50) / 1000, latency:percentile(99) / 1000
  ))
end
