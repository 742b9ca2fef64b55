-- Counts what wrk got: which release gave each answer, and whether it was one only. The last line is JSON.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  failed, mixed, releases = 0, 0, {}
  wrk.path = "/0"
end

function response(status, headers, body)
  if status ~= 200 then
    failed = failed + 1
    return
  end
  local first, last = body:match("^(%S+) (%S+) ")
  if first == nil or first ~= last then
    mixed = mixed + 1
  else
    releases[first] = (releases[first] or 0) + 1
  end
end

function done(summary, latency)
  local failed, mixed, seen = 0, 0, {}
  for _, thread in ipairs(threads) do
    failed, mixed = failed + thread:get("failed"), mixed + thread:get("mixed")
    for name, count in pairs(thread:get("releases")) do
      seen[name] = (seen[name] or 0) + count
    end
  end
  local rows = {}
  for name, count in pairs(seen) do
    table.insert(rows, string.format('"%s": %d', name, count))
  end
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('{"requests": %d, "failed": %d, "broken": %d, "mixed": %d, "slowest": %d, "releases": {%s}}\n',
    summary.requests, failed, broken, mixed, latency.max / 1000, table.concat(rows, ", ")))
end
