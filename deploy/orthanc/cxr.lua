-- Forwards every new CR or DX film to the service by STOW-RS, and again until it has been taken.
-- What the service sends back (SR, SC, GSPS) is of other SOP classes, so it goes nowhere: no loop.

local SERVER = 'cxr'  -- in dicomweb.json: DicomWeb, Servers

local FILMS = {
  ['1.2.840.10008.5.1.4.1.1.1'] = true,      -- CR
  ['1.2.840.10008.5.1.4.1.1.1.1'] = true,    -- DX, for presentation
  ['1.2.840.10008.5.1.4.1.1.1.1.1'] = true,  -- DX, for processing
}

local forwarded = {}  -- instance of each job that runs
local waiting = {}    -- instances whose job failed

local function forward(instance)
  local body = DumpJson({ Resources = { instance }, Synchronous = false }, true)
  local job = ParseJson(RestApiPost('/dicom-web/servers/' .. SERVER .. '/stow', body, false))
  forwarded[job['ID']] = instance
end

local function forward_again()
  local instances = waiting
  waiting = {}
  for instance, _ in pairs(instances) do
    forward(instance)
  end
end

function OnStoredInstance(instance, tags, metadata, origin)
  if FILMS[metadata['SopClassUid']] then
    forward(instance)
    forward_again()
  end
end

-- A new job, because a job that broke off in the middle sends nothing when it is submitted again (plugin 1.7).
function OnJobFailure(job)
  if forwarded[job] then
    waiting[forwarded[job]] = true
    forwarded[job] = nil
  end
end

function OnJobSuccess(job)
  forwarded[job] = nil
end

-- Every LuaHeartBeatPeriod seconds, from Orthanc 1.11.1 on. Older versions have no clock: docs/pacs.md.
function OnHeartBeat()
  forward_again()
end
