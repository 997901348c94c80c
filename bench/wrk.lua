-- For wrk: the requests of bench/rest.py. Arguments: create, get or decide; a file of ids; the key.
local what, place, ids = "", 0, {}
local body = '{"agentId":"agent-7","userId":"user-%d","action":"Transfer $4,200 to the vendor account ' ..
    'ending in 9821","context":{"amount":4200,"currency":"USD","vendor":"Acme Supplies","invoice":' ..
    '"INV-2041","due":"2026-12-01","approvedBudget":5000,"notes":"Second reminder"},"urgency":"high"}'

function init(arguments)
    what = arguments[1]
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["X-API-Key"] = arguments[3]
    if what == "create" then
        ids = io.open(arguments[2], "a")
    else
        for id in io.lines(arguments[2]) do ids[#ids + 1] = id end
        response = nil
    end
end

function request()
    place = place + 1
    if what == "create" then
        -- A user may have 1,000 pending ones.
        return wrk.format("POST", "/interrupts", nil, string.format(body, place % 997))
    elseif what == "get" then
        return wrk.format("GET", "/interrupts/" .. ids[place % #ids + 1])
    elseif place > #ids then
        wrk.thread:stop()
        return wrk.format("GET", "/")
    end
    return wrk.format("POST", "/interrupts/" .. ids[place] .. "/decide", nil, '{"decision":"approved"}')
end

function response(_, _, body)
    ids:write(body:match('"interruptId": ?"([^"]+)"') or "", "\n")
end

function done(summary, latency)
    local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
    io.stderr:write(string.format("%.0f %.0f %.0f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50), latency:percentile(99), failed))
end
