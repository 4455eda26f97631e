from aideator.domain.ranking import *
def nothing_to_rank(): return Ranking(order=(),recommended=None,confidence=Confidence.OPEN,reasons=())
def tell(places,evidence,confidence):
    cases=[c for p in places for c in p]
    return Ranking(order=tuple(c.number for c in cases),recommended=None,confidence=confidence,reasons=(),standings=tuple(c.standing for c in cases))
