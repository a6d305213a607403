"""What the demo prints: who there is, and what to try."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from entrepot.demo.exposures import MEMBERS_PROPOSAL, OTHERS_PROPOSAL, example, spares
from entrepot.demo.people import Access

__all__ = ["page"]

PAGE = """
Entrepôt's demo: 200 made-up frames of four cameras. Nothing of it was ever observed.

  API reference       {base}/docs
  in a browser        {base}/archive/frames/
  data                {data} (remove the folder to begin anew)

People; how they sign in is in {data}/tokens.json:

  operator            staff: sees everything, and may file
  ada                 belongs to {members}, which is private until 2060
  guest               belongs to no proposal; {others} is for staff alone

To try in another terminal, in this folder:

  export BASE={base}/archive
  export OPERATOR={operator}
  export ADA={ada}
  export GUEST={guest}

  # what everyone sees, and what ada sees besides
  curl "$BASE/frames/?limit=2"
  curl "$BASE/frames/?proposal_id={members}"
  curl -H "Authorization: Token $GUEST" "$BASE/frames/?proposal_id={members}"
  curl -H "Authorization: Token $ADA" "$BASE/frames/?proposal_id={members}&limit=2"
  curl -H "Authorization: Token $ADA" "$BASE/profile/"

  # a token for a name and a password
  curl -d username=ada -d password='{password}' "$BASE/api-token-auth/"

  # by night, site, level and filter; in the old spelling; the fields at RA 0
  curl "$BASE/frames/?start=2025-03-11&end=2025-03-13&site_id=tfn&reduction_level=91"
  curl "$BASE/frames/?SITEID=lsc&RLEVEL=0&OBSTYPE=SKYFLAT&FILTER=V&ordering=basename"
  curl "$BASE/frames/?target_name=field+at+ra+0&pagination_style=cursor&limit=5"

  # by place: what covers M 31, and what comes near to a position on the meridian of RA 0
  curl -G "$BASE/frames/" -d limit=2 --data-urlencode "covers=POINT(10.6847 41.2690)"
  curl -G "$BASE/frames/" -d limit=2 -d radius=0.1 --data-urlencode "position=00:00:00,+05:00:00"

  # one frame: its headers, and the raw frame and calibrations that it was made of
  ID=$(curl -s "$BASE/frames/?basename_exact={basename}" | grep -o '"id":[0-9]*' | head -n 1 | cut -d: -f2)
  curl "$BASE/frames/$ID/"
  curl "$BASE/frames/$ID/headers/"
  curl "$BASE/frames/$ID/related/"

  # its file: whole, checked, resumed, and not sent again if you have it
  URL=$BASE/files/{md5}/{filename}
  curl -O "$URL" && echo "{md5}  {filename}" | md5sum -c
  curl -s -r 0-59999 -o part.fits "$URL" && curl -C - -o part.fits "$URL" && md5sum part.fits
  curl -I -H 'If-None-Match: "{md5}"' "$URL"

  # file a frame with our own command; upload another one
  ENTREPOT_DATA_DIR={data} {entrepot} ingest {spare}
  curl -T {uploaded} -H "Authorization: Token $OPERATOR" "$BASE/upload/"

  # file a frame with the released client, unmodified (make clients installs it)
  make clients
  OPENTSDB_PYTHON_METRICS_TEST_MODE=True FILESTORE_TYPE=local \\
  FILESYSTEM_STORAGE_ROOT_DIR={data}/files API_ROOT=$BASE/ AUTH_TOKEN=$OPERATOR \\
  .venv-clients/bin/ocs_ingest_frame {other_spare}

"""


def page(base: str, data: Path, people: Mapping[str, Access]) -> str:
    """Write the page for a service at ``base`` whose data lie in ``data``."""
    shown = example()
    content = (data / "incoming" / shown.filename).read_bytes()
    spare, uploaded, other_spare = (_near(data / "more" / one.filename) for one in spares())
    return PAGE.format(
        base=base,
        data=_near(data),
        members=MEMBERS_PROPOSAL,
        others=OTHERS_PROPOSAL,
        operator=people["operator"].token,
        ada=people["ada"].token,
        guest=people["guest"].token,
        password=people["ada"].password,
        basename=shown.basename,
        filename=shown.filename,
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        entrepot=_near(Path(sys.executable).with_name("entrepot")),
        spare=spare,
        uploaded=uploaded,
        other_spare=other_spare,
    )


def _near(path: Path) -> str:
    """Write a path from the folder that we are in, or in full where that is shorter."""
    return min(os.path.relpath(path), str(path.absolute()), key=len)
