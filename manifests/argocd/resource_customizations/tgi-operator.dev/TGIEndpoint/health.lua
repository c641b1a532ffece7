-- The conditions are those of kstatus: Ready, and while they are True Reconciling and Stalled. Only Stalled needs a
-- person; what passes by itself, such as a throttled call, is Reconciling, so that it does not fail a sync.
local health = { status = "Progressing", message = "Waiting for the operator" }
if obj.status == nil then
  return health
end
-- -1 by the schema before the operator's first look, and older than the spec until it has seen a change.
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the operator to observe the latest spec"
  return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is_true(condition)
  return condition ~= nil and condition.status == "True"
end

local function told(condition)
  return (condition.reason or "") .. ": " .. (condition.message or "")
end

if is_true(conditions.Stalled) then
  return { status = "Degraded", message = told(conditions.Stalled) }
end
if is_true(conditions.Reconciling) then
  health.message = told(conditions.Reconciling)
elseif conditions.Ready ~= nil then
  health.message = told(conditions.Ready)
  if is_true(conditions.Ready) then
    health.status = "Healthy"
  end
end
return health
