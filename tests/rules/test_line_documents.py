"""One document, four carriers: golden texts, and nothing that a customer said can end a tag."""

import json
import xml.etree.ElementTree as ET

import pytest

from homing.support.line.rules import jambonz, twiml
from homing.support.line.rules.document import (
    Conference,
    Dial,
    Gather,
    Hangup,
    Leg,
    Pause,
    Record,
    Redirect,
    Reject,
    Say,
)
from homing.support.line.types import Family

AT = "https://sev1.example.com/telephony/v1/t/calls"
PIN = (Gather(action=f"{AT}/pin?n=1", prompt=(Say("Welcome."), Pause(1)), digits=6), Redirect(f"{AT}/pin?n=1&empty=1"))
HUNT = (
    Dial(
        action=f"{AT}/live?n=2",
        legs=(Leg(number="+15550100001", whisper=f"{AT}/whisper?p=1"), Leg(number="+15550100002", status=f"{AT}/leg")),
        caller_id="+18005550100",
        in_turn=True,
    ),
)
TAPE = (Record(action=f"{AT}/name?n=3", status=f"{AT}/recording?n=3", max_s=20, silence_s=4, finish_on="#80"),)
ROOM = (Conference(room="cb-7", action=f"{AT}/end", status=f"{AT}/room", ends=True),)
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<Response>'


def xml(document, family=Family.TWILIO):
    text = twiml.render(document, family).decode()
    ET.fromstring(text)
    assert text.startswith(HEAD)
    return text.removeprefix(HEAD).removesuffix("</Response>\n")


def test_keys_are_asked_for():
    asked = (
        f'<Gather input="dtmf" action="{AT}/pin?n=1" method="POST" timeout="6" finishOnKey="#" numDigits="6"{{}}>'
        f'<Say>Welcome.</Say><Pause length="1"/></Gather><Redirect method="POST">{AT}/pin?n=1&amp;empty=1</Redirect>'
    )
    assert xml(PIN) == asked.format(' actionOnEmptyResult="true"')
    for family in (Family.SIGNALWIRE, Family.TELNYX):
        assert xml(PIN, family) == asked.format("")


def test_people_on_duty_are_rung():
    dial = (
        f'<Dial action="{AT}/live?n=2" method="POST" timeout="25" callerId="+18005550100"{{}}>'
        f'<Number url="{AT}/whisper?p=1" method="POST">+15550100001</Number><Number statusCallback="{AT}/leg" '
        'statusCallbackMethod="POST" statusCallbackEvent="initiated ringing answered completed">+15550100002</Number></Dial>'
    )
    for family in (Family.TWILIO, Family.SIGNALWIRE):
        assert xml(HUNT, family) == dial.format(' answerOnBridge="true" sequential="true"')
    assert xml(HUNT, Family.TELNYX) == dial.format("")


def test_words_are_recorded():
    assert xml(TAPE) == (
        f'<Record action="{AT}/name?n=3" method="POST" maxLength="20" timeout="4" finishOnKey="#80" playBeep="true" '
        f'recordingStatusCallback="{AT}/recording?n=3" recordingStatusCallbackMethod="POST"/>'
    )


def test_words_are_recognised():
    speech = (Gather(action=AT, speech=True, timeout_s=4),)
    assert 'input="dtmf speech"' in xml(speech)
    assert 'speechTimeout="auto"' in xml(speech)
    assert "speechTimeout" not in xml(speech, Family.TELNYX)


def test_two_people_meet_in_a_room():
    assert xml(ROOM) == (
        f'<Dial action="{AT}/end" method="POST"><Conference startConferenceOnEnter="true" endConferenceOnExit="true" '
        f'beep="false" statusCallback="{AT}/room" statusCallbackMethod="POST" statusCallbackEvent="start end join leave">'
        "cb-7</Conference></Dial>"
    )


def test_a_call_ends():
    assert xml((Hangup(),)) == "<Hangup/>"
    assert xml((Reject(),)) == '<Reject reason="rejected"/>'


def test_jambonz_gets_an_array_of_verbs():
    document = (*PIN, *HUNT, *TAPE, *ROOM, Say("bye"), Pause(2), Hangup(), Reject())
    assert json.loads(jambonz.render(document)) == [
        {
            "verb": "gather",
            "actionHook": f"{AT}/pin?n=1",
            "input": ["digits"],
            "finishOnKey": "#",
            "timeout": 6,
            "numDigits": 6,
            "say": {"text": "Welcome."},
        },
        {"verb": "redirect", "actionHook": f"{AT}/pin?n=1&empty=1"},
        {
            "verb": "dial",
            "actionHook": f"{AT}/live?n=2",
            "answerOnBridge": True,
            "timeout": 25,
            "target": [
                {"type": "phone", "number": "+15550100001", "confirmHook": f"{AT}/whisper?p=1"},
                {"type": "phone", "number": "+15550100002"},
            ],
            "callerId": "+18005550100",
        },
        {"verb": "gather", "actionHook": f"{AT}/name?n=3", "input": ["digits", "speech"], "finishOnKey": "#", "timeout": 4},
        {
            "verb": "conference",
            "name": "cb-7",
            "actionHook": f"{AT}/end",
            "startConferenceOnEnter": True,
            "endConferenceOnExit": True,
            "beep": False,
            "statusHook": f"{AT}/room",
            "statusEvents": ["start", "end", "join", "leave"],
        },
        {"verb": "say", "text": "bye"},
        {"verb": "pause", "length": 2},
        {"verb": "hangup"},
        {"verb": "sip:decline", "status": 603},
    ]


HOSTILE = [
    "Smith & Sons <script>alert(1)</script>",
    "📞 émoji ünd 漢字",
    "\"quoted\" 'too' ]]> --> <!--",
    "x" * 1_000,
    "NUL \0, bell \a, escape \x1b, \ufffe, half a pair \ud83d",
    "</Say><Hangup/><Say>",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("family", [Family.TWILIO, Family.SIGNALWIRE, Family.TELNYX])
def test_every_text_is_escaped(text, family):
    document = (
        Gather(action=text, prompt=(Say(text),)),
        Record(action=text, status=text, max_s=1, silence_s=1, finish_on=text),
        Dial(action=text, legs=(Leg(number=text, whisper=text, status=text),), caller_id=text),
        Conference(room=text, action=text, status=text),
        Redirect(text),
    )
    root = ET.fromstring(twiml.render(document, family))
    assert [one.tag for one in root] == ["Gather", "Record", "Dial", "Dial", "Redirect"]
    kept = "".join(sign for sign in text if sign >= " " and sign not in "\ufffe\ud83d")
    assert root[0][0].text == root[2][0].text == root[4].text == kept
    assert root[0].get("action") == root[2].get("callerId") == kept


@pytest.mark.parametrize("text", HOSTILE)
def test_jambonz_is_json_whatever_was_said(text):
    assert json.loads(jambonz.render((Say(text),)))[0]["verb"] == "say"
