-- Forwards every new CR or DX film to the service by STOW-RS, and again until it has been taken.
-- What the service sends back (SR, SC, GSPS) is of other SOP classes, so it goes nowhere: no loop.

local SERVER = 'cxr'  -- in orthanc.json: DicomWeb, Servers

local FILMS = {
  ['1.2.840.10008.5.1.4.1.1.1'] = true,      -- CR
  ['1.2.840.10008.5.1.4.1.1.1.1'] = true,    -- DX, for presentation
  ['1.2.840.10008.5.1.4.1.1.1.1.1'] = true,  -- DX, for processing
}

local waiting = {}  -- jobs that failed, by their identifier

local function again()
  local jobs = waiting
  waiting = {}
  for job, _ in pairs(jobs) do
    RestApiPost('/jobs/' .. job .. '/resubmit', '')
  end
end

function OnStoredInstance(instanceId, tags, metadata, origin)
  if FILMS[metadata['SopClassUid']] then
    local body = { Resources = { instanceId }, Synchronous = false }
    RestApiPost('/dicom-web/servers/' .. SERVER .. '/stow', DumpJson(body, true), false)
    again()
  end
end

-- A job fails while the service is away. It is tried again with the next film, and on Orthanc 1.11.1 or later every
-- LuaHeartBeatPeriod seconds; older versions have no clock, there a cron line does it (docs/pacs.md).
function OnJobFailure(job)
  waiting[job] = true
end

function OnJobSuccess(job)
  waiting[job] = nil
end

function OnHeartBeat()
  again()
end
