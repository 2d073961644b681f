"""Evidence in, one decision out. Pure: reads no clock, no network, no random generator.

What a person's edit means while a trial is under way:

| edit | what follows |
|---|---|
| another candidate in its place | the trial ends and the new one starts at the first step; the old one is not held |
| the candidate's version changed | the same: what was proven was proven of the other version |
| the candidate renamed | the same: counters and evidence go by the name |
| a further candidate added | the trial ends and all of them start at the first step, so that they are compared alike |
| the candidate taken out | the trial ends, stable serves everything, nothing is held |
| a line of an independent unit whose turn has not come changed | nothing: the trial goes on |
| the line on trial taken out | its trial ends, nothing is held, the next line's trial starts |
| `unit` changed | the trial ends and starts at the first step if that changes what is tried, else nothing |
| stable changed | the trial ends, the new stable serves once it is ready, then the candidate starts against it |
| the strategy changed | the trial ends and starts at the first step of the new strategy |
| the route changed | the trial ends, the new route serves stable, then the candidate starts on it |
| the policy changed | it applies from the next pass; shares and step stay, evidence begins anew under the new rules |
| teams, caps or freezes changed | they apply from the next pass; the trial goes on |
| the file moved, or only its comments changed | nothing: the trial goes on |
| the release deleted | the trial ends, its routes and processes go |
| the manifest made invalid | nothing goes forward and the problem is shown; shares stay, harm is still rolled back |
| a promotion's commit reverted | stable was changed: the old one serves; the candidate, named again, is tried again |
| a rollback's commit reverted | the candidate is held by its digest until `releasectl lift` |
"""
